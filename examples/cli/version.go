package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/coraclehq/coracle"
)

func version(*flag.FlagSet) action {
	return func(context.Context, *coracle.Engine, []string) error {
		version := "unknown"
		if info, ok := debug.ReadBuildInfo(); ok {
			version = info.Main.Version
			for _, d := range info.Deps {
				if d.Path == "github.com/coraclehq/coracle" {
					version = d.Version
				}
			}
		}
		fmt.Printf("Coracle:\n Version:           %s\n Go version:        %s\n OS/Arch:           %s/%s\n",
			version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	}
}
