package archive

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The words that stand for digests in the documents below.
var digests = strings.NewReplacer(
	"D0", "sha256:"+strings.Repeat("0", 64),
	"D1", "sha256:"+strings.Repeat("1", 64),
	"D2", "sha256:"+strings.Repeat("2", 64),
	"H3", strings.Repeat("3", 64),
)

const (
	ociIndex       = imagespec.MediaTypeImageIndex
	ociManifest    = imagespec.MediaTypeImageManifest
	ociConfig      = imagespec.MediaTypeImageConfig
	configD0       = `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"D0","size":2}`
	layerD1        = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"D1","size":9}`
	entryD0        = `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"D0","size":9}`
	rootfs         = `"rootfs":{"type":"layers","diff_ids":["D0"]}`
	dockerManifest = "docker"
)

// documents is what is accepted and what is refused, and why. An empty error
// stands for accepted; what comes after three dots is the standard library's.
var documents = []struct {
	name, kind, text, err string
}{
	// Manifests.
	{"least manifest", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[]}`, ``},
	{"manifest with a layer", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[` + layerD1 + `]}`, ``},
	{"manifest that says what it is", ociManifest, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` + configD0 + `,"layers":[]}`, ``},
	{"docker schema 2", mediaTypeDockerManifest, `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",` + configD0 + `,"layers":[]}`, ``},
	{"unknown fields", ociManifest, `{"schemaVersion":2,"x":{"y":[1,null,true]},` + configD0 + `,"layers":[]}`, ``},
	{"white space", ociManifest, " {\n\t\"schemaVersion\" : 2, " + configD0 + ",\r\n\"layers\":[ ]} \n", ``},
	{"escaped slashes and letters", ociManifest, `{"schema\u0056ersion":2,"mediaType":"application\/vnd.oci.image.manifest.v1+json",` + configD0 + `,"layers":[]}`, ``},
	{"annotations that differ by case", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],"annotations":{"a":"1","A":"2"}}`, ``},
	{"URLs and data are ignored", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar","digest":"D1","size":9,"urls":["http://169.254.169.254/"],"data":"e30="}]}`, ``},
	{"subject", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],"subject":` + entryD0 + `}`, ``},
	{"artifact", ociManifest, `{"schemaVersion":2,"artifactType":"a/b","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"D0","size":2},"layers":[]}`, ``},
	{"huge layer", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[{"mediaType":"a/b","digest":"D1","size":9223372036854775807}]}`, ``},

	{"empty", ociManifest, ``, `not JSON: ...`},
	{"cut", ociManifest, `{"schemaVersion":2,` + configD0, `not JSON: ...`},
	{"two values", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[]}{}`, `not JSON: ...`},
	{"comma at the end", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],}`, `not JSON: ...`},
	{"byte order mark", ociManifest, "\ufeff{}", `not JSON: ...`},
	{"not UTF-8", ociManifest, "{\"schemaVersion\":2,\"x\":\"\xff\"}", `not UTF-8`},
	{"null", ociManifest, `null`, `/schemaVersion: 0, not 2`},
	{"list", ociManifest, `[]`, `a list cannot stand here`},
	{"string", ociManifest, `"{}"`, `a string cannot stand here`},

	{"key twice", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],"layers":[` + layerD1 + `]}`, `key "layers" stands twice`},
	{"key twice, once escaped", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],"\u006cayers":[]}`, `key "layers" stands twice`},
	{"key twice in a layer", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[{"mediaType":"a/b","digest":"D1","digest":"D2","size":9}]}`, `/layers/0: key "digest" stands twice`},
	{"annotation twice", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],"annotations":{"a":"1","a":"2"}}`, `/annotations: key "a" stands twice`},
	{"key twice where nothing is known", ociManifest, `{"schemaVersion":2,"x":[{"y":1,"y":2}],` + configD0 + `,"layers":[]}`, `/x/0: key "y" stands twice`},
	{"two keys that become one", ociManifest, `{"schemaVersion":2,"x":{"\ud800":1,"\udfff":2},` + configD0 + `,"layers":[]}`, "/x: key \"\ufffd\" stands twice"},
	{"known key in capitals", ociManifest, `{"schemaVersion":2,` + configD0 + `,"Layers":[]}`, `key "Layers" differs from "layers" by case alone`},
	{"known key with a long s", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layer` + "\u017f" + `":[]}`, `key "layerſ" differs from "layers" by case alone`},
	{"known key in capitals in a layer", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[{"mediaType":"a/b","digest":"D1","Digest":"D2","size":9}]}`, `/layers/0: key "Digest" differs from "digest" by case alone`},
	{"unknown keys that differ by case", ociManifest, `{"schemaVersion":2,"x":1,"X":2,` + configD0 + `,"layers":[]}`, `key "X" differs from "x" by case alone`},

	{"layers and manifests", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],"manifests":[]}`, `/manifests: belongs to another kind of document`},
	{"manifests null", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],"manifests":null}`, `/manifests: belongs to another kind of document`},
	{"layers of schema 1", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],"fsLayers":[]}`, `/fsLayers: belongs to another kind of document`},
	{"blobs of an artifact manifest", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],"blobs":[]}`, `/blobs: belongs to another kind of document`},
	{"says that it is an index", ociManifest, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",` + configD0 + `,"layers":[]}`, `/mediaType: "application/vnd.oci.image.index.v1+json", but the descriptor says "application/vnd.oci.image.manifest.v1+json"`},
	{"schema 1", mediaTypeSchema1Signed, `{"schemaVersion":1}`, `docker schema 1 is not supported: pull and push the image once with Docker 1.10 or later`},
	{"unknown media type", "text/html", `{}`, `media type "text/html" is not supported here`},
	{"no schema version", ociManifest, `{` + configD0 + `,"layers":[]}`, `/schemaVersion: 0, not 2`},
	{"schema version 3", ociManifest, `{"schemaVersion":3,` + configD0 + `,"layers":[]}`, `/schemaVersion: 3, not 2`},
	{"schema version as a string", ociManifest, `{"schemaVersion":"2",` + configD0 + `,"layers":[]}`, `/schemaVersion: a string cannot stand here`},
	{"no config", ociManifest, `{"schemaVersion":2,"layers":[]}`, `/config/mediaType: missing`},
	{"config null", ociManifest, `{"schemaVersion":2,"config":null,"layers":[]}`, `/config/mediaType: missing`},
	{"no layers", ociManifest, `{"schemaVersion":2,` + configD0 + `}`, `/layers: missing`},
	{"layers null", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":null}`, `/layers: missing`},
	{"layers as an object", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":{}}`, `/layers: an object cannot stand here`},
	{"layer null", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[null]}`, `/layers/0/mediaType: missing`},
	{"negative size", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[{"mediaType":"a/b","digest":"D1","size":-1}]}`, `/layers/0/size: negative: -1`},
	{"size beyond 2^63", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[{"mediaType":"a/b","digest":"D1","size":9223372036854775808}]}`, `/layers/0/size: not a whole number of 64 bits: "9223372036854775808"`},
	{"size as a fraction", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[{"mediaType":"a/b","digest":"D1","size":9.5}]}`, `/layers/0/size: not a whole number of 64 bits: "9.5"`},
	{"size as a string", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[{"mediaType":"a/b","digest":"D1","size":"9"}]}`, `/layers/0/size: a string cannot stand here`},
	{"config of 5 MiB", ociManifest, `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"D0","size":5242880},"layers":[]}`, `/config/size: descriptor: more than the document size limit of 4194304`},
	{"path as a digest", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[{"mediaType":"a/b","digest":"sha256:../../../../etc/passwd","size":9}]}`, `/layers/0/digest: not a sha256 digest of 64 lower-case hexadecimal digits: "sha256:../../../../etc/passwd"`},
	{"weak digest", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[{"mediaType":"a/b","digest":"md5:d41d8cd98f00b204e9800998ecf8427e","size":9}]}`, `/layers/0/digest: digest algorithm "md5" is not supported, only sha256`},
	{"subject without a digest", ociManifest, `{"schemaVersion":2,` + configD0 + `,"layers":[],"subject":{"mediaType":"a/b"}}`, `/subject/digest: not a digest: ""`},
	{"deeply nested", ociManifest, `{"x":` + strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100) + `}`, `/x` + strings.Repeat("/0", 64) + `: nested deeper than 64`},
	{"beyond any parser", ociManifest, strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000), `not JSON: ...`},
	{"too large", ociManifest, `{"x":"` + strings.Repeat("x", MaxDocument) + `"}`, `more than the document size limit of 4194304`},
	{"too many values", ociManifest, `{"layers":[` + strings.Repeat(`{},`, 100_000) + `{}]}`, `more than the document values limit of 100000`},

	// Indexes.
	{"least index", ociIndex, `{"schemaVersion":2,"manifests":[]}`, ``},
	{"index with a platform", ociIndex, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"D0","size":9,"platform":{"os":"linux","architecture":"arm","variant":"v7","os.features":["x"]}}]}`, ``},
	{"manifest list", mediaTypeDockerList, `{"manifests":[` + entryD0 + `],"mediaType":"application\/vnd.docker.distribution.manifest.list.v2+json","schemaVersion":2}`, ``},
	{"index in an index", ociIndex, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"D0","size":9}]}`, ``},
	{"entry of an unknown type", ociIndex, `{"schemaVersion":2,"manifests":[{"mediaType":"application/xml","digest":"D0","size":9}]}`, ``},
	{"index without manifests", ociIndex, `{"schemaVersion":2}`, `/manifests: missing`},
	{"index with layers", ociIndex, `{"schemaVersion":2,"manifests":[],"layers":[]}`, `/layers: belongs to another kind of document`},
	{"index with a config", ociIndex, `{"schemaVersion":2,"manifests":[],` + configD0 + `}`, `/config: belongs to another kind of document`},
	{"index that says that it is a list", ociIndex, `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}`, `/mediaType: "application/vnd.docker.distribution.manifest.list.v2+json", but the descriptor says "application/vnd.oci.image.index.v1+json"`},
	{"entry without a media type", ociIndex, `{"schemaVersion":2,"manifests":[{"digest":"D0","size":9}]}`, `/manifests/0/mediaType: missing`},
	{"os.version in capitals", ociIndex, `{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"D0","size":9,"platform":{"OS":"linux"}}]}`, `/manifests/0/platform: key "OS" differs from "os" by case alone`},
	{"entry of 5 MiB", ociIndex, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"D0","size":5242880}]}`, `/manifests/0/size: descriptor: more than the document size limit of 4194304`},
	{"annotation as a number", ociIndex, `{"schemaVersion":2,"manifests":[],"annotations":{"a/b~c":1}}`, `/annotations/a~1b~0c: a number cannot stand here`},

	// Configs.
	{"least config", ociConfig, `{` + rootfs + `}`, ``},
	{"config of docker", mediaTypeDockerConfig, `{"architecture":"amd64","os":"linux","config":{"Hostname":"","Env":null,"Cmd":["a"],"Image":"sha256:x","Volumes":null,"Labels":{"l":"1","L":"2"},"Healthcheck":{"Test":["CMD","a"],"Interval":1},"Shell":["a"],"OnBuild":null},"container":"a","container_config":{"Hostname":"b"},"docker_version":"20.10.7","created":"2021-09-23T23:47:57.442225064Z","history":[{"created":"0001-01-01T00:00:00Z","empty_layer":true}],` + rootfs + `}`, ``},
	{"no layers at all", ociConfig, `{"rootfs":{"type":"layers"}}`, ``},
	{"labels that ask for something", ociConfig, `{"config":{"Labels":{"io.example.hook":"/canary","run":"docker run --privileged"}},` + rootfs + `}`, ``},
	{"no rootfs", ociConfig, `{}`, `/rootfs/type: "", not "layers"`},
	{"another rootfs", ociConfig, `{"rootfs":{"type":"layers+base","diff_ids":[]}}`, `/rootfs/type: "layers+base", not "layers"`},
	{"bad diffID", ociConfig, `{"rootfs":{"type":"layers","diff_ids":["D0","sha256:ABC"]}}`, `/rootfs/diff_ids/1: not a sha256 digest of 64 lower-case hexadecimal digits: "sha256:ABC"`},
	{"two users", ociConfig, `{"config":{"User":"1000","user":"0"},` + rootfs + `}`, `/config: key "user" differs from "User" by case alone`},
	{"two health checks", ociConfig, `{"config":{"Healthcheck":null,"healthcheck":null},` + rootfs + `}`, `/config: key "healthcheck" differs from "Healthcheck" by case alone`},
	{"label twice", ociConfig, `{"config":{"Labels":{"a":"1","a":"2"}},` + rootfs + `}`, `/config/Labels: key "a" stands twice`},
	{"diff_ids twice", ociConfig, `{"rootfs":{"type":"layers","diff_ids":["D0"],"diff_ids":["D1"]}}`, `/rootfs: key "diff_ids" stands twice`},
	{"command as a string", ociConfig, `{"config":{"Cmd":"rm -rf /"},` + rootfs + `}`, `/config/Cmd: a string cannot stand here`},
	{"bad date", ociConfig, `{"created":"yesterday",` + rootfs + `}`, `"parsing time \"yesterday\"...`},

	// manifest.json of docker save.
	{"docker save", dockerManifest, `[{"Config":"H3.json","RepoTags":["a:1","localhost:5000/b:2"],"Layers":["H3/layer.tar"]}]`, ``},
	{"docker save without names", dockerManifest, `[{"Config":"./H3.json","RepoTags":null,"Layers":null}]`, ``},
	{"docker save since version 25", dockerManifest, `[{"Config":"blobs/sha256/H3","RepoTags":[],"Layers":["blobs/sha256/H3"],"LayerSources":{"D0":` + layerD1 + `}}]`, ``},
	{"no image", dockerManifest, `[]`, `no image`},
	{"object", dockerManifest, `{}`, `an object cannot stand here`},
	{"config outside", dockerManifest, `[{"Config":"../../etc/passwd","Layers":[]}]`, `/0/Config: not the name of a file: "../../etc/passwd"`},
	{"no config file", dockerManifest, `[{"Layers":[]}]`, `/0/Config: not the name of a file: ""`},
	{"layer at the root", dockerManifest, `[{"Config":"c","Layers":["a","/etc/passwd"]}]`, `/0/Layers/1: not the name of a file: "/etc/passwd"`},
	{"name that climbs", dockerManifest, `[{"Config":"c","RepoTags":["../../x:1"]}]`, `/0/RepoTags/0: not a name for an image: "../../x:1"`},
	{"name that could be an ID", dockerManifest, `[{"Config":"c","RepoTags":["H3"]}]`, `/0/RepoTags/0: not a name for an image: "3333333333333333333333333333333333333333333333333333333333333333"`},
	{"tag that could be an ID", dockerManifest, `[{"Config":"c","RepoTags":["a:H3"]}]`, `/0/RepoTags/0: not a name for an image: "a:3333333333333333333333333333333333333333333333333333333333333333"`},
	{"name with a digest", dockerManifest, `[{"Config":"c","RepoTags":["a@D0"]}]`, `/0/RepoTags/0: a name with a digest names one image for ever: "a@sha256:0000000000000000000000000000000000000000000000000000000000000000"`},
	{"no name", dockerManifest, `[{"Config":"c","RepoTags":["<none>:<none>"]}]`, `/0/RepoTags/0: not a name for an image: "<none>:<none>"`},
	{"layers in small letters", dockerManifest, `[{"Config":"c","layers":["a"]}]`, `/0: key "layers" differs from "Layers" by case alone`},
}

// parse parses a document of any kind.
func parse(kind string, data []byte) error {
	var err error
	d := descriptorOf(kind, data)
	switch {
	case kind == dockerManifest:
		_, err = parseDocker(data)
	case IsIndex(kind):
		_, err = ParseIndex(d, data)
	case isConfig(kind):
		_, err = ParseConfig(d, data)
	default:
		_, err = ParseManifest(d, data)
	}
	return err
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, tt := range documents {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := parse(tt.kind, []byte(digests.Replace(tt.text)))
			if tt.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrInvalid)
			// In front stands which document.
			_, message, _ := strings.Cut(err.Error(), "manifest.json: ")
			if tt.kind != dockerManifest {
				message = strings.SplitN(err.Error(), ": ", 2)[1]
			}
			if start, ok := strings.CutSuffix(tt.err, "..."); ok {
				assert.True(t, strings.HasPrefix(message, start), message)
				return
			}
			assert.Equal(t, digests.Replace(tt.err), message)
		})
	}
}

func TestDocumentsAreVerified(t *testing.T) {
	t.Parallel()
	data := []byte(`{"schemaVersion":2,"manifests":[]}`)
	d := descriptorOf(ociIndex, data)
	for _, tt := range []struct {
		name string
		d    imagespec.Descriptor
		want string
	}{
		{"size", imagespec.Descriptor{MediaType: ociIndex, Digest: d.Digest, Size: 33}, "index " + d.Digest.String() + ": size is 34, not 33"},
		{"digest", imagespec.Descriptor{MediaType: ociIndex, Digest: sum(nil), Size: 34}, "index " + sum(nil).String() + ": digest is " + d.Digest.String() + ", not " + sum(nil).String()},
		{"no digest", imagespec.Descriptor{MediaType: ociIndex, Digest: "x\n", Size: 34}, `"index x\n": not a digest: "x\n"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseIndex(tt.d, data)
			require.ErrorIs(t, err, ErrInvalid)
			assert.EqualError(t, err, tt.want)
		})
	}
}

func TestConfigIsRead(t *testing.T) {
	t.Parallel()
	c, err := parseConfig("config", []byte(`{"os":"linux","architecture":"arm64","config":{"User":"5","Env":["A=b"],"Labels":{"l":"1","L":"2"},"Healthcheck":{"Test":["NONE"]}},"rootfs":{"type":"layers"}}`))
	require.NoError(t, err)
	assert.Equal(t, imagespec.Image{
		Platform: imagespec.Platform{OS: "linux", Architecture: "arm64"},
		Config:   imagespec.ImageConfig{User: "5", Env: []string{"A=b"}, Labels: map[string]string{"l": "1", "L": "2"}},
		RootFS:   imagespec.RootFS{Type: "layers"},
	}, c)
}
