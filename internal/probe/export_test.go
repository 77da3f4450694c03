package probe

// Again probes without looking at what is kept.
func (f Feature) Again() error { return f.probe() }
