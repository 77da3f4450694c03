package main

const renameat2, setns = 276, 268
