// Calls a server of OTLP over one connection, many times at once, and prints how often each status was its answer.
//
//	client TARGET COMPRESSION CALLS PARALLEL < REQUEST
package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

const method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// raw passes bytes as they are.
type raw struct{}

func (raw) Name() string                        { return "proto" }
func (raw) Marshal(message any) ([]byte, error) { return message.([]byte), nil }
func (raw) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = append([]byte{}, data...)
	return nil
}

// compressor is one as those of the OpenTelemetry Collector, which only has to compress here.
type compressor struct {
	name   string
	writer func(io.Writer) (io.WriteCloser, error)
}

func (c compressor) Name() string                                  { return c.name }
func (c compressor) Compress(to io.Writer) (io.WriteCloser, error) { return c.writer(to) }
func (c compressor) Decompress(from io.Reader) (io.Reader, error)  { return from, nil }

func number(text string) int {
	return must(strconv.Atoi(text))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	encoding.RegisterCompressor(compressor{"zstd", func(to io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(to) }})
	encoding.RegisterCompressor(compressor{"snappy", func(to io.Writer) (io.WriteCloser, error) {
		return snappy.NewBufferedWriter(to), nil
	}})
	target, compression, calls, parallel := os.Args[1], os.Args[2], number(os.Args[3]), number(os.Args[4])
	request := must(io.ReadAll(os.Stdin))
	options := []grpc.CallOption{grpc.ForceCodec(raw{})}
	if compression != "none" {
		options = append(options, grpc.UseCompressor(compression))
	}
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	connection := must(grpc.NewClient(target, plain, grpc.WithDefaultCallOptions(options...)))
	var begun atomic.Int64
	var all sync.WaitGroup
	var lock sync.Mutex
	answers := map[string]int{}
	for range parallel {
		all.Go(func() {
			for begun.Add(1) <= int64(calls) {
				within, stop := context.WithTimeout(context.Background(), 30*time.Second)
				var answer []byte
				err := connection.Invoke(within, method, request, &answer)
				stop()
				lock.Lock()
				answers[status.Convert(err).Code().String()+status.Convert(err).Message()]++
				lock.Unlock()
			}
		})
	}
	all.Wait()
	connection.Close()
	must(os.Stdout.Write(must(json.Marshal(answers))))
}
