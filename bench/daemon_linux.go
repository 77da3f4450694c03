package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// daemon is a Docker Engine API on a socket: Docker's own, or podman's.
// https://docs.docker.com/reference/api/engine/
type daemon struct {
	b      *bench
	client *http.Client
	loaded bool
	held   string
}

// daemons are Docker and podman, where a daemon answers.
func (b *bench) daemons(what string) (all []*contender) {
	for _, d := range []struct{ name, socket string }{{"docker", "/run/docker.sock"}, {"podman", "/run/podman/podman.sock"}} {
		c := &contender{name: d.name, state: "its own storage; created beforehand; API over the socket"}
		api := newDaemon(b, d.socket)
		if err := api.call("GET", "/_ping", nil, nil); err != nil {
			c.missing = "no daemon answers on " + d.socket
		}
		c.run = api.run
		if what == "exec" {
			c.run = api.exec
		}
		b.later(api.close)
		all = append(all, c)
	}
	return all
}

func newDaemon(b *bench, socket string) *daemon {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &daemon{b: b, client: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 100}}}
}

// call makes a request of JSON, or of a stream, and reads the answer to its end.
func (d *daemon) call(method, path string, in, out any) error {
	body, kind := io.Reader(http.NoBody), "application/json"
	switch in := in.(type) {
	case nil:
	case io.Reader:
		body, kind = in, "application/x-tar"
	default:
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, "http://daemon"+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", kind)
	response, err := d.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, firstLine(string(text)))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

const daemonImage = "coracle-bench"

// load imports the root file system as an image.
func (d *daemon) load() error {
	if d.loaded {
		return nil
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := errors.Join(w.AddFS(os.DirFS(d.b.rootfs())), w.Close()); err != nil {
		return err
	}
	d.loaded = true
	return d.call("POST", "/images/create?fromSrc=-&repo="+daemonImage+"&tag="+filepath.Base(d.b.dir), &archive, nil)
}

// The documents of the API, as far as they are used.
type (
	creation struct {
		Image      string
		Cmd        []string
		HostConfig struct{ NetworkMode string }
	}
	execution struct {
		Cmd          []string
		AttachStdout bool
	}
	executionStart struct{ Detach bool }
	created        struct{ ID string }
	ended          struct{ StatusCode int }
)

func (d *daemon) create(args ...string) (string, error) {
	c := creation{Image: daemonImage + ":" + filepath.Base(d.b.dir), Cmd: args}
	c.HostConfig.NetworkMode = "none"
	var made created
	err := d.call("POST", "/containers/create", c, &made)
	return made.ID, err
}

func (d *daemon) atOnce(n int, f func(i int) error) (answer, error) {
	a := answer{Ended: make([]int64, n)}
	errs := make([]error, n)
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range n {
		wg.Go(func() {
			errs[i] = f(i)
			a.Ended[i] = int64(time.Since(begin))
		})
	}
	wg.Wait()
	return a, errors.Join(errs...)
}

// run starts containers and waits for them.
func (d *daemon) run(n int) (answer, error) {
	if err := d.load(); err != nil {
		return answer{}, err
	}
	var ids []string
	for range n {
		id, err := d.create("/bin/true")
		if err != nil {
			return answer{}, err
		}
		ids = append(ids, id)
	}
	a, err := d.atOnce(n, func(i int) error {
		if err := d.call("POST", "/containers/"+ids[i]+"/start", nil, nil); err != nil {
			return err
		}
		var e ended
		err := d.call("POST", "/containers/"+ids[i]+"/wait", nil, &e)
		if err == nil && e.StatusCode != 0 {
			err = fmt.Errorf("exit status %d", e.StatusCode)
		}
		return err
	})
	for _, id := range ids {
		err = errors.Join(err, d.call("DELETE", "/containers/"+id+"?force=true", nil, nil))
	}
	return a, err
}

// exec executes in a container that runs; the answer to an attached start ends with
// the process.
func (d *daemon) exec(n int) (answer, error) {
	if d.held == "" {
		if err := d.load(); err != nil {
			return answer{}, err
		}
		id, err := d.create("/bin/sleep", "1000000")
		if err != nil {
			return answer{}, err
		}
		d.held = id
		if err := d.call("POST", "/containers/"+id+"/start", nil, nil); err != nil {
			return answer{}, err
		}
	}
	return d.atOnce(n, func(int) error {
		var c created
		err := d.call("POST", "/containers/"+d.held+"/exec", execution{Cmd: []string{"/bin/true"}, AttachStdout: true}, &c)
		if err != nil {
			return err
		}
		return d.call("POST", "/exec/"+c.ID+"/start", executionStart{}, nil)
	})
}

func (d *daemon) close() {
	if d.held != "" {
		d.call("DELETE", "/containers/"+d.held+"?force=true", nil, nil)
	}
	if d.loaded {
		d.call("DELETE", "/images/"+daemonImage+":"+filepath.Base(d.b.dir)+"?force=true", nil, nil)
	}
	d.client.CloseIdleConnections()
}
