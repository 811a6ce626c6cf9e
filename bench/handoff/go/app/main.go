// Prints the words of standard input as JSON, counted.
package main

import (
	"encoding/json"
	"os"

	"example.test/lines"
	"example.test/words"
)

func main() {
	counts := words.Count(lines.Read(os.Stdin))
	if err := json.NewEncoder(os.Stdout).Encode(counts); err != nil {
		panic(err)
	}
}
