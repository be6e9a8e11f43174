import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.exporter.otlp.http.logs.OtlpHttpLogRecordExporter;
import io.opentelemetry.exporter.otlp.http.metrics.OtlpHttpMetricExporter;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.logs.OtlpGrpcLogRecordExporter;
import io.opentelemetry.exporter.otlp.metrics.OtlpGrpcMetricExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import io.opentelemetry.sdk.logs.export.BatchLogRecordProcessor;
import io.opentelemetry.sdk.logs.export.LogRecordExporter;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.export.MetricExporter;
import io.opentelemetry.sdk.metrics.export.PeriodicMetricReader;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Sends a span, a log record and two metrics with the OpenTelemetry SDK of Java, twice over.
 *
 * <p>{@code java Client.java PROTOCOL ENDPOINT COMPRESSION} (grpc | http/protobuf, none | gzip). Ends with 0 when every
 * export succeeded.
 */
class Client {
  public static void main(String[] arguments) {
    boolean grpc = arguments[0].equals("grpc");
    String endpoint = arguments[1];
    String compression = arguments[2];
    SpanExporter spans =
        grpc
            ? OtlpGrpcSpanExporter.builder().setEndpoint(endpoint).setCompression(compression).build()
            : OtlpHttpSpanExporter.builder()
                .setEndpoint(endpoint + "/v1/traces").setCompression(compression).build();
    LogRecordExporter logs =
        grpc
            ? OtlpGrpcLogRecordExporter.builder().setEndpoint(endpoint).setCompression(compression).build()
            : OtlpHttpLogRecordExporter.builder()
                .setEndpoint(endpoint + "/v1/logs").setCompression(compression).build();
    MetricExporter metrics =
        grpc
            ? OtlpGrpcMetricExporter.builder().setEndpoint(endpoint).setCompression(compression).build()
            : OtlpHttpMetricExporter.builder()
                .setEndpoint(endpoint + "/v1/metrics").setCompression(compression).build();

    Resource resource = Resource.create(Attributes.of(AttributeKey.stringKey("service.name"), "java-shop"));
    SdkTracerProvider tracing =
        SdkTracerProvider.builder()
            .setResource(resource).addSpanProcessor(BatchSpanProcessor.builder(spans).build()).build();
    SdkLoggerProvider logging =
        SdkLoggerProvider.builder()
            .setResource(resource).addLogRecordProcessor(BatchLogRecordProcessor.builder(logs).build()).build();
    SdkMeterProvider metering =
        SdkMeterProvider.builder()
            .setResource(resource).registerMetricReader(PeriodicMetricReader.create(metrics)).build();

    boolean whole = true;
    for (int round = 1; round <= 2; round++) {
      Span span =
          tracing.get("java-test").spanBuilder("checkout " + round).setSpanKind(SpanKind.SERVER)
              .setAttribute("http.status", 500).setAttribute(AttributeKey.stringArrayKey("tags"), List.of("x", "y"))
              .startSpan();
      span.setStatus(StatusCode.ERROR, "broken");
      span.end();
      logging.get("java-test").logRecordBuilder().setSeverity(Severity.ERROR).setBody("größer").emit();
      metering.get("java-test").counterBuilder("orders").build().add(3);
      metering.get("java-test").histogramBuilder("latency").build().record(12.5);
      whole &= succeeded(tracing.forceFlush()) & succeeded(logging.forceFlush()) & succeeded(metering.forceFlush());
    }
    System.exit(whole ? 0 : 1);
  }

  private static boolean succeeded(CompletableResultCode result) {
    return result.join(20, TimeUnit.SECONDS).isSuccess();
  }
}
