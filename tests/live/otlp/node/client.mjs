// Sends a trace, a log record and every kind of metric with the OpenTelemetry SDK of JavaScript.
//
//   node client.mjs PROTOCOL ENDPOINT COMPRESSION      (grpc | http/protobuf | http/json)      (none | gzip)
//
// Ends with 0 when every export succeeded, and prints the ids that were sent.
import { SpanKind, SpanStatusCode, diag } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider, BatchLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { AggregationType, InstrumentType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

const [protocol, endpoint, compression] = process.argv.slice(2);
const suffix = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }[protocol];

async function exporter(signal, name, path) {
  const module = await import(`@opentelemetry/exporter-${signal}-otlp-${suffix}`);
  return new module[name]({ url: suffix === 'grpc' ? endpoint : endpoint + path, compression });
}

function fail(...words) {
  console.error(...words);
  process.exitCode = 1;
}
diag.setLogger({ error: fail, warn: fail, info() {}, debug() {}, verbose() {} });

const resource = resourceFromAttributes({ 'service.name': 'node-shop', 'host.cpus': 4, zones: ['a', 'b'] });
const tracing = new TracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor({ exporter: await exporter('trace', 'OTLPTraceExporter', '/v1/traces') })],
});
const logging = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: await exporter('logs', 'OTLPLogExporter', '/v1/logs') })],
});
const metering = new MeterProvider({
  resource,
  readers: [
    new PeriodicExportingMetricReader({
      exporter: await exporter('metrics', 'OTLPMetricExporter', '/v1/metrics'),
      exportIntervalMillis: 3_600_000,
    }),
  ],
  views: [
    {
      instrumentName: 'size',
      instrumentType: InstrumentType.HISTOGRAM,
      aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM },
    },
  ],
});

const span = tracing.getTracer('node-test', '1.0').startSpan('checkout', {
  kind: SpanKind.SERVER,
  attributes: { 'http.route': '/checkout', 'http.status': 500, ratio: 0.5, cached: false, tags: ['x', 'y'] },
});
span.addEvent('cache.miss', { key: 'basket' });
span.setStatus({ code: SpanStatusCode.ERROR, message: 'broken' });
span.end();

logging.getLogger('node-test').emit({
  severityNumber: 17,
  severityText: 'ERROR',
  body: { text: 'größer', codes: [1, 2.5, null] },
  attributes: { 'order.id': 'a-1' },
});

const meter = metering.getMeter('node-test');
meter.createCounter('orders').add(3, { currency: 'EUR' });
meter.createHistogram('latency', { unit: 'ms' }).record(12.5);
meter.createHistogram('size', { unit: 'By' }).record(2048);
meter.createObservableGauge('load').addCallback((result) => result.observe(0.25));

await Promise.all([tracing, logging, metering].map((provider) => provider.shutdown()));
console.log(JSON.stringify(span.spanContext()));
