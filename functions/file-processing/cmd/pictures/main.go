// Command pictures makes the pictures of files that it is told of, one on each line of its input: a
// path, and a directory for what is made. It answers with what that took, as JSON. It is how
// infra/bench/images measures package picture, and is deployed nowhere.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		path, out, _ := strings.Cut(lines.Text(), "\t")
		if err := answer(path, out); err != nil {
			fmt.Fprintln(os.Stderr, path, err)
			os.Exit(1)
		}
	}
}

func answer(path, out string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, started := used(), time.Now()
	result, err := picture.Process(context.Background(), source, picture.Options{Thumbnail: 300})
	if err != nil {
		return err
	}
	wall, after := time.Since(started), used()
	sizes := map[string]int{}
	for _, v := range result.Variants {
		sizes[v.Name] = len(v.Data)
		if err := os.WriteFile(filepath.Join(out, v.Name), v.Data, 0o600); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"cpu":  float64((cpu(after) - cpu(before)).Microseconds()) / 1000,
		"wall": float64(wall.Microseconds()) / 1000, "rss": peak(), "bytes": sizes,
	})
}
