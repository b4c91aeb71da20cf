package jpeg

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// The stages of a phone's photograph, which is stored on its side, and of a progressive one. What
// the whole job costs against sharp is measured by infra/bench/images.
func BenchmarkStages(b *testing.B) {
	for _, name := range []string{"dogs-phone.jpg", "sunset-12mp.jpg"} {
		data, err := os.ReadFile(filepath.Join("../../../../infra/local/samples", name))
		if err != nil {
			b.Fatal(err)
		}
		f, err := Read(data, 64)
		if err != nil {
			b.Fatal(err)
		}
		job := Job{Orientation: 1, Quality: 80, Fits: []int{600, 300, 150}, Memory: 1 << 30}
		stage := func(stage string, run func(*plan) error) {
			b.Run(name+"/"+stage, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					b.StopTimer()
					p, err := f.decode(context.Background(), job)
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					if err := run(p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		stage("decode and requantise", func(*plan) error {
			_, err := f.decode(context.Background(), job)
			return err
		})
		stage("full size", func(p *plan) error {
			_, err := p.full()
			return err
		})
		stage("thumbnails", func(p *plan) error {
			_, err := p.thumbnails(context.Background())
			return err
		})
	}
}
