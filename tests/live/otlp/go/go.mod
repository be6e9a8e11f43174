module client

go 1.25

require (
	github.com/golang/snappy v1.0.0
	github.com/klauspost/compress v1.20.3
	google.golang.org/grpc v1.85.0
)
