package archive

import (
	"encoding/json"
	"reflect"
	"strings"
	"unicode"
)

// fields are the fields that an object with a Go struct is known to have. The
// zero value stands for a free-form object.
type fields struct {
	types  map[string]reflect.Type // by the name in JSON
	folded map[string]string       // the name by its folded form
}

// fields are those of an object that becomes a t.
func (w *walker) fields(t reflect.Type) fields {
	if t == nil || t.Kind() != reflect.Struct {
		return fields{}
	}
	if known, ok := w.known[t]; ok {
		return known
	}
	known := fields{make(map[string]reflect.Type), make(map[string]string)}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && f.IsExported() {
			known.types[name] = f.Type
			known.folded[fold(name)] = name
		}
	}
	w.known[t] = known
	return known
}

// variant finds the known field, or the key that the object had before, from
// which a key differs by case alone, and adds the key to those seen.
func (f fields) variant(key string, seen map[string]string) (other string, ok bool) {
	if f.types == nil {
		return "", false
	}
	folded := fold(key)
	if other, ok = f.folded[folded]; ok {
		return other, other != key
	}
	if other, ok = seen[folded]; ok {
		return other, true
	}
	seen[folded] = key
	return "", false
}

// fold maps strings that are equal under strings.EqualFold to the same string.
// That is how encoding/json compares keys: the Kelvin sign is a k.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, s)
}

// concrete follows pointers. Nothing is known about a type that parses itself.
func concrete(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil && reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	return t
}

// element is the type of the elements of a list or free-form object.
func element(t reflect.Type) reflect.Type {
	if t == nil || t.Kind() != reflect.Slice && t.Kind() != reflect.Map {
		return nil
	}
	return t.Elem()
}

// fits reports whether a value that begins with tok can become a t.
func fits(tok json.Token, t reflect.Type) bool {
	if t == nil || tok == nil {
		return true
	}
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '[' {
			return t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8
		}
		return t.Kind() == reflect.Struct || t.Kind() == reflect.Map
	case string: // a list of bytes is base64 in a string
		return t.Kind() == reflect.String || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
	case json.Number:
		return t.Kind() == reflect.Int || t.Kind() == reflect.Int64
	case bool:
		return t.Kind() == reflect.Bool
	}
	return false
}

// describe names what a token begins.
func describe(tok json.Token) string {
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '[' {
			return "a list"
		}
		return "an object"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	}
	return "a boolean"
}
