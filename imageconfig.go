package coracle

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/coraclehq/coracle/internal/cred"
)

// ImageConfig is what an image says of itself and of the containers made from it.
// See https://github.com/opencontainers/image-spec/blob/main/config.md.
type ImageConfig struct {
	// Entrypoint is the program, with arguments that stay when a container has its
	// own command, and Cmd the command, or further arguments, that it has otherwise.
	Entrypoint, Cmd []string
	// Env are NAME=VALUE pairs.
	Env []string
	// Dir is the working directory; empty: "/".
	Dir string
	// User is name, uid, name:group or uid:gid; empty: root.
	User string
	// StopSignal is what Stop sends first, as "SIGQUIT"; empty: SIGTERM.
	StopSignal string
	// ExposedPorts are those that the program listens on, as "80/tcp". They open
	// nothing.
	ExposedPorts []string
	// Volumes are directories with data that is not the image's.
	Volumes []string
	// Labels are the author's own notes. They mean nothing to Coracle.
	Labels map[string]string

	// Author is who made the image, Created when. The time is part of the image's ID:
	// without it, the same files and configuration are the same image.
	Author  string
	Created time.Time

	// OS and Architecture are what the image is for, in Go's words; empty: linux, and
	// the architecture of this program. Variant is that of the architecture, as "v8".
	OS, Architecture, Variant string
}

// check refuses what no container could be made with.
func (c ImageConfig) check() error {
	for _, v := range c.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" || strings.ContainsRune(v, 0) {
			return fmt.Errorf("variable %.200q: not NAME=VALUE: %w", v, ErrInvalid)
		}
	}
	if c.StopSignal != "" {
		if _, err := cred.ParseSignal(c.StopSignal); err != nil {
			return fmt.Errorf("stop signal: %w: %w", err, ErrInvalid)
		}
	}
	for _, values := range [][]string{c.Entrypoint, c.Cmd, {c.Dir, c.User}, c.Volumes, c.ExposedPorts} {
		for _, v := range values {
			if strings.ContainsRune(v, 0) {
				return fmt.Errorf("image configuration: %.200q has a NUL byte: %w", v, ErrInvalid)
			}
		}
	}
	return nil
}

// document is the configuration in the form of image-spec, without layers.
func (c ImageConfig) document() imagespec.Image {
	return imagespec.Image{
		Created: timeOrNil(c.Created),
		Author:  c.Author,
		Platform: imagespec.Platform{
			OS: first(c.OS, "linux"), Architecture: first(c.Architecture, runtime.GOARCH), Variant: c.Variant,
		},
		Config: imagespec.ImageConfig{
			Entrypoint: c.Entrypoint, Cmd: c.Cmd, Env: c.Env, WorkingDir: c.Dir, User: c.User,
			StopSignal: c.StopSignal, ExposedPorts: set(c.ExposedPorts), Volumes: set(c.Volumes), Labels: c.Labels,
		},
	}
}

// imageConfig is the inverse of document.
func imageConfig(i imagespec.Image) ImageConfig {
	c := ImageConfig{
		Entrypoint: i.Config.Entrypoint, Cmd: i.Config.Cmd, Env: i.Config.Env, Dir: i.Config.WorkingDir, User: i.Config.User,
		StopSignal: i.Config.StopSignal, ExposedPorts: sortedKeys(i.Config.ExposedPorts), Volumes: sortedKeys(i.Config.Volumes),
		Labels: i.Config.Labels, Author: i.Author, OS: i.OS, Architecture: i.Architecture, Variant: i.Variant,
	}
	if i.Created != nil {
		c.Created = *i.Created
	}
	return c
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func set(values []string) map[string]struct{} {
	if len(values) == 0 {
		return nil
	}
	s := map[string]struct{}{}
	for _, v := range values {
		s[v] = struct{}{}
	}
	return s
}

func sortedKeys(s map[string]struct{}) []string { return slices.Sorted(maps.Keys(s)) }

// keepUnknown makes the text of a configuration from a changed one and the text
// that it was read from: members of "config" that image-spec does not know, docker's
// Healthcheck and Shell among them, stay as they were.
func keepUnknown(changed imagespec.Image, from []byte) ([]byte, error) {
	data, err := json.Marshal(changed)
	if err != nil {
		return nil, err
	}
	var old struct {
		Config map[string]json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(from, &old); err != nil {
		return nil, err
	}
	for _, known := range configMembers() {
		delete(old.Config, known)
	}
	if len(old.Config) == 0 {
		return data, nil
	}
	var whole, config map[string]json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(whole["config"], &config); err != nil {
		return nil, err
	}
	maps.Copy(old.Config, config)
	if whole["config"], err = json.Marshal(old.Config); err != nil {
		return nil, err
	}
	return json.Marshal(whole)
}

// configMembers are the members of "config" that ImageConfig speaks of. An empty
// one is left out of the text, so they are known by name.
func configMembers() []string {
	return []string{"User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal"}
}
