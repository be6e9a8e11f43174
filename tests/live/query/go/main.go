// Asks a ClickHouse server over HTTP as Grafana and the OpenTelemetry Collector do: through clickhouse-go.
//
// go-client ADDRESS METHOD MODE prints one JSON object of what it read. METHOD is a compression of clickhouse-go's,
// MODE is "write" (make a table and fill it first) or "read" (from tables that are there).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

var methods = map[string]clickhouse.CompressionMethod{
	"none":    clickhouse.CompressionNone,
	"lz4":     clickhouse.CompressionLZ4,
	"zstd":    clickhouse.CompressionZSTD,
	"gzip":    clickhouse.CompressionGZIP,
	"deflate": clickhouse.CompressionDeflate,
	"br":      clickhouse.CompressionBrotli,
}

func main() {
	address, method, mode := os.Args[1], os.Args[2], os.Args[3]
	connection, err := clickhouse.Open(&clickhouse.Options{
		Addr:        []string{address},
		Protocol:    clickhouse.HTTP,
		Auth:        clickhouse.Auth{Database: "default", Username: "default"},
		Compression: &clickhouse.Compression{Method: methods[method], Level: 3},
		Settings:    clickhouse.Settings{"limit": 1000000},
	})
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	must(connection.Ping(ctx))
	table := "go_" + method
	if mode == "write" {
		write(ctx, connection, table)
	}
	result := map[string]any{"rows": rows(ctx, connection, table), "numbers": numbers(ctx, connection)}
	version, err := connection.ServerVersion()
	must(err)
	result["timezone"] = version.Timezone.String()
	result["error"] = refusal(connection.Exec(ctx, "SELECT * FROM nowhere"))
	result["drop"] = refusal(connection.Exec(ctx, "DROP TABLE IF EXISTS nowhere"))
	must(json.NewEncoder(os.Stdout).Encode(result))
}

func write(ctx context.Context, connection driver.Conn, table string) {
	must(connection.Exec(ctx, "CREATE OR REPLACE TABLE "+table+
		" (id UInt64, name LowCardinality(String), at DateTime64(9), attributes Map(LowCardinality(String), String),"+
		" events Array(String), size Nullable(Float64)) ENGINE = MergeTree ORDER BY id"))
	batch, err := connection.PrepareBatch(ctx, "INSERT INTO "+table)
	must(err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)
	half := 0.5
	must(batch.Append(uint64(1), "first", at, map[string]string{"a": "b"}, []string{"x", "y"}, &half))
	must(batch.Append(uint64(2), "second", at.Add(time.Second), map[string]string{}, []string{}, (*float64)(nil)))
	must(batch.Append(uint64(3), "third", at, map[string]string{"c": ""}, []string{"z"}, &half))
	must(batch.Send())
}

func rows(ctx context.Context, connection driver.Conn, table string) []map[string]any {
	found, err := connection.Query(ctx,
		"SELECT id, name, at, attributes, events, size FROM {table:Identifier} WHERE id < {most:UInt64} ORDER BY id",
		clickhouse.Named("table", table), clickhouse.Named("most", "3"))
	must(err)
	defer found.Close()
	all := []map[string]any{}
	for found.Next() {
		var id uint64
		var name string
		var at time.Time
		var attributes map[string]string
		var events []string
		var size *float64
		must(found.Scan(&id, &name, &at, &attributes, &events, &size))
		all = append(all, map[string]any{
			"id": id, "name": name, "at": at.UTC().Format(time.RFC3339Nano),
			"attributes": attributes, "events": events, "size": size,
		})
	}
	must(found.Err())
	return all
}

func numbers(ctx context.Context, connection driver.Conn) map[string]uint64 {
	found, err := connection.Query(ctx, "SELECT number, toString(number) FROM numbers(500000)")
	must(err)
	defer found.Close()
	var count, sum uint64
	for found.Next() {
		var number uint64
		var text string
		must(found.Scan(&number, &text))
		count++
		sum += number
	}
	must(found.Err())
	return map[string]uint64{"count": count, "sum": sum}
}

func refusal(err error) int32 {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return exception.Code
	}
	must(err)
	return 0
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
