package coracle

// Security loosens the default posture: eleven capabilities, a seccomp filter, and
// for a user other than root no capabilities and no new privileges.
type Security struct {
	// AllowSetuid lets programs of a user other than root gain rights by set-uid
	// bits and file capabilities.
	AllowSetuid bool
	// Compat32 allows the system calls of 32-bit x86 programs.
	Compat32 bool
}
