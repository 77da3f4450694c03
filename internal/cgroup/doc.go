// Package cgroup makes the control groups of containers, limits and freezes
// what runs in them, and removes them, on cgroup v1, on v2 and on hybrid hosts
// that have both.
//
// A group lies at <hierarchy>/coracle/<store>/<id> in every hierarchy that it
// needs, so that anyone can see whose it is and [Host.Sweep] touches nothing
// else. Beside the groups of a store's containers lies "supervisors", for
// processes that must not be in the group of the program that started them.
//
// Nothing here ever writes a pid into a group from outside: on an idle machine
// that costs ten milliseconds in the kernel (cgroup_attach_lock takes a per-CPU
// rwsem, whose writer waits for an RCU grace period). A process joins by itself,
// by writing "0" to each descriptor of [Group.Join], or is born in the group,
// with CLONE_INTO_CGROUP and [Group.Into].
//
// What can be computed is in limits.go, resources.go, layout.go and place.go,
// which need no Linux.
package cgroup
