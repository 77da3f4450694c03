package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxNesting is how deep arrays and objects of a document may lie within each
// other.
const maxNesting = 64

// maxValues is how many values a document may have, counting those inside of
// others. Three bytes of a list of descriptors become 200 of memory.
const maxValues = 100_000

// decode parses a JSON document so that no two readers can understand it
// differently. encoding/json alone takes the last of two equal keys, takes
// "Layers" for "layers", and replaces what is not UTF-8; a reader in another
// language does not (the class of CVE-2021-41190). Refused here:
//
//   - a key that an object has twice, anywhere;
//   - where the object has known fields: a key that equals a known field, or
//     another key, but for its case;
//   - a value of another type than the field's; null stands for an absent field;
//   - bytes that are not UTF-8, more than one value, nesting deeper than
//     maxNesting, more values than maxValues, documents beyond MaxDocument.
//
// Keys of free-form objects, such as labels, may differ by case alone. Fields
// that are not known are allowed: the specifications demand it.
func decode[T any](document string, data []byte) (T, error) {
	var v, none T
	if len(data) > MaxDocument {
		return none, &LimitError{"document size", MaxDocument, document}
	}
	if !utf8.Valid(data) {
		return none, &DocumentError{document, "", errors.New("not UTF-8")}
	}
	// Before the tokens are looked at: json.Decoder.Token lets some malformed
	// documents pass.
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return none, &DocumentError{document, "", syntax(err)}
	}
	w := walker{dec: json.NewDecoder(bytes.NewReader(data)), document: document, known: make(map[reflect.Type]fields)}
	w.dec.UseNumber()
	if err := w.value(reflect.TypeFor[T]()); err != nil {
		return none, err
	}
	// What is left to go wrong: base64, dates.
	if err := json.Unmarshal(data, &v); err != nil {
		return none, &DocumentError{document, "", errors.New(quote(err.Error()))}
	}
	return v, nil
}

// syntax says what is wrong with a text that is not JSON.
func syntax(err error) error {
	var s *json.SyntaxError
	if errors.As(err, &s) {
		return fmt.Errorf("not JSON: %w at byte %d", err, s.Offset)
	}
	return fmt.Errorf("not JSON: %w", err)
}

// A walker checks the keys and types of a document that is known to be JSON.
type walker struct {
	dec      *json.Decoder
	document string
	path     []string
	values   int
	known    map[reflect.Type]fields
}

// refuse is the error about the value at the walker's place.
func (w *walker) refuse(format string, args ...any) error {
	return &DocumentError{w.document, pointer(w.path), fmt.Errorf(format, args...)}
}

// value checks the next value, which is to become a t; nil stands for a value
// that nothing is known about.
func (w *walker) value(t reflect.Type) error {
	if len(w.path) > maxNesting {
		return w.refuse("nested deeper than %d", maxNesting)
	}
	if w.values++; w.values > maxValues {
		return &LimitError{"document values", maxValues, w.document}
	}
	tok, err := w.dec.Token()
	if err != nil {
		return w.refuse("%w", err)
	}
	t = concrete(t)
	if !fits(tok, t) {
		return w.refuse("%s cannot stand here", describe(tok))
	}
	if n, ok := tok.(json.Number); ok && t != nil {
		if _, err := strconv.ParseInt(n.String(), 10, t.Bits()); err != nil {
			return w.refuse("not a whole number of %d bits: %s", t.Bits(), quote(n.String()))
		}
	}
	switch tok {
	case json.Delim('{'):
		return w.object(t)
	case json.Delim('['):
		return w.array(element(t))
	}
	return nil
}

func (w *walker) array(elem reflect.Type) error {
	for i := 0; w.dec.More(); i++ {
		w.path = append(w.path, strconv.Itoa(i))
		if err := w.value(elem); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	return w.close()
}

func (w *walker) object(t reflect.Type) error {
	known := w.fields(t)
	seen := make(map[string]bool)
	folded := make(map[string]string)
	for w.dec.More() {
		tok, err := w.dec.Token()
		if err != nil {
			return w.refuse("%w", err)
		}
		key, _ := tok.(string)
		if seen[key] {
			return w.refuse("key %s stands twice", quote(key))
		}
		seen[key] = true
		if other, ok := known.variant(key, folded); ok {
			return w.refuse("key %s differs from %s by case alone", quote(key), quote(other))
		}
		w.path = append(w.path, key)
		next, ok := known.types[key]
		if !ok {
			next = element(t)
		}
		if err := w.value(next); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	return w.close()
}

// close takes the token that ends an array or object.
func (w *walker) close() error {
	if _, err := w.dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return w.refuse("%w", err)
	}
	return nil
}

// pointer is a path as a JSON pointer, escaped and cut so that a foreign key does
// no harm in an error message.
func pointer(path []string) string {
	const longestKey, longest = 100, 400
	var p strings.Builder
	for _, key := range path {
		if p.Len() > longest {
			p.WriteString("/...")
			break
		}
		key = strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		if len(key) > longestKey {
			key = key[:longestKey] + "..."
		}
		quoted := strconv.Quote(key)
		p.WriteString("/" + quoted[1:len(quoted)-1])
	}
	return p.String()
}
