module github.com/coraclehq/coracle

go 1.25.0

require (
	github.com/containerd/cgroups/v3 v3.1.3
	github.com/distribution/reference v0.6.0
	github.com/klauspost/compress v1.20.3
	github.com/moby/profiles/seccomp v0.2.3
	github.com/moby/sys/mountinfo v0.7.3
	github.com/opencontainers/go-digest v1.0.0
	github.com/opencontainers/image-spec v1.1.1
	github.com/opencontainers/runtime-spec v1.3.0
	github.com/stretchr/testify v1.12.1
	github.com/vishvananda/netns v0.0.5
	golang.org/x/sys v0.43.0
)

require (
	github.com/moby/sys/userns v0.1.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
