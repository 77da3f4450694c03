// Package cred is as whom and with which rights a process of a container runs:
// users and groups out of the image's files, capabilities, limits, and where its
// program is looked for.
//
// What comes from an image is foreign: its files are opened within its root, only
// when they are regular, and only so much of them is read.
package cred
