module github.com/coraclehq/coracle/examples

go 1.25.0
