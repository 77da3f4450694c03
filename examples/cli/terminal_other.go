//go:build !linux

package main

import (
	"os"

	"github.com/coraclehq/coracle"
)

// The library opens no store on other systems, so nothing runs in the foreground.

func passedOn() []os.Signal            { return []os.Signal{os.Interrupt} }
func isTerminal(*os.File) bool         { return false }
func makeRaw(*os.File) (func(), error) { return nil, &coracle.UnsupportedError{Feature: "terminals"} }
func windowSizes() <-chan coracle.Size { return nil }
