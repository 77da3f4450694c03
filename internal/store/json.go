package store

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// unknown holds the members of a JSON object that this version has no field for. A
// newer program may have written them, and they survive when the object is written
// again.
type unknown map[string]json.RawMessage

// decode reads data into v, a struct without UnmarshalJSON of its own, and returns
// what v has no field for.
func decode[T any](data []byte, v *T) (unknown, error) {
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if strict.Decode(v) == nil {
		return nil, nil
	}
	// Either there are unknown members or it is no JSON: the slow way tells.
	var fresh T
	*v = fresh
	if err := json.Unmarshal(data, v); err != nil {
		return nil, err
	}
	var rest unknown
	if err := json.Unmarshal(data, &rest); err != nil {
		return nil, err
	}
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		delete(rest, name)
	}
	return rest, nil
}

// encode is the reverse of decode.
func encode[T any](v T, rest unknown) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil || len(rest) == 0 {
		return data, err
	}
	data = data[:len(data)-1] // the closing brace
	for _, k := range slices.Sorted(maps.Keys(rest)) {
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = append(append(append(data, must(json.Marshal(k))...), ':'), rest[k]...)
	}
	return append(data, '}'), nil
}
