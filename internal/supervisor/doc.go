// Package supervisor writes the program of the process that stays beside each
// container and beside each process executed in one, and reads the two records
// that it leaves: the exit and the log.
//
// The supervisor is the helper of package launch after it has cloned the
// container's process: no Go, no memory to speak of, nothing of the host program.
// So a container's end is written down whatever happens to the host, and a host
// that dies takes its attached containers along.
//
//	              host program                supervisor                container's process
//	                   |      clone, execveat     |                            |
//	                   |------------------------->|  leave the host's cgroups  |
//	                   |                          |  clone(namespaces) ------->|
//	                   |<------- pidfd -----------|                            | close what is not its own
//	                   |                          |  reserve the exit record   | set up, wait at the gate
//	                   |<---- status socket: failure, gate, end at exec -------|
//	                   |                          |                            |
//	                   |                          |  ppoll {                   |
//	host socket at its |                          |    pidfd      -> end       |
//	end = host is gone |                          |    host       -> kill it   |
//	                   |                          |    output     -> log       |
//	                   |                          |    control    -> hand out  |
//	                   |                          |  }                         |
//	                   |                          |  waitid, exit file         |
//	                   |<------ exit record ------|                            |
//	                   |                          |  remove the cgroups, exit  |
//
// The host socket at its end without a record means that the supervisor was
// killed.
//
// A container that runs holds containers/<id>/alive locked: the supervisor
// inherited the lock, and nobody else has it.
package supervisor
