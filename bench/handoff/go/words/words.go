// Package words counts words.
package words

import "regexp"

var word = regexp.MustCompile(`\pL+`)

// Count tells how often each word is in the lines.
func Count(lines []string) map[string]int {
	counts := map[string]int{}
	for _, line := range lines {
		for _, found := range word.FindAllString(line, -1) {
			counts[found]++
		}
	}
	return counts
}
