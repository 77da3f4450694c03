package main

const renameat2, setns = 316, 308
