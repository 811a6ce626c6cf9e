// Package lines reads lines.
package lines

import (
	"bufio"
	"io"
)

// Read returns all lines that there are.
func Read(from io.Reader) []string {
	var lines []string
	for scanner := bufio.NewScanner(from); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	return lines
}
