package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// quantile is the value below which a part q of all lies.
func quantile[T cmp.Ordered](all []T, q float64) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// ratio is how a series compares with another, round by round.
type ratio struct {
	median, low, high float64 // of the rounds' ratios: the median, the quartiles
	minima            float64 // of the two minima
}

// pairs compares two series that were taken in the same rounds.
func pairs(all, to []time.Duration) ratio {
	var rs []float64
	for i := range min(len(all), len(to)) {
		rs = append(rs, float64(all[i])/float64(to[i]))
	}
	return ratio{
		median: quantile(rs, 0.5), low: quantile(rs, 0.25), high: quantile(rs, 0.75),
		minima: float64(slices.Min(all)) / float64(slices.Min(to)),
	}
}

func (r ratio) String() string {
	return fmt.Sprintf("%.2f (%.2f-%.2f)", r.median, r.low, r.high)
}

// ms prints a duration in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1e3) }
