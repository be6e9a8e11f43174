import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/**
 * Sends a trace in JSON with the HTTP client of the JDK, which asks for HTTP/2 with each of its requests.
 *
 * <p>{@code java Jdk.java URL}. Ends with 0 when both requests got 200.
 */
class Jdk {
  private static final String SPANS =
      "{'resourceSpans':[{'scopeSpans':[{'spans':[{'name':'checkout %d',"
          + "'traceId':'5b8efff798038103d269b633813fc60c','spanId':'eee19b7ec3c1b17%d'}]}]}]}";

  public static void main(String[] arguments) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    boolean whole = true;
    for (int round = 1; round <= 2; round++) {
      String body = String.format(SPANS, round, round).replace((char) 39, '"');
      HttpRequest request =
          HttpRequest.newBuilder(URI.create(arguments[0]))
              .header("Content-Type", "application/json")
              .POST(HttpRequest.BodyPublishers.ofString(body))
              .build();
      whole &= client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode() == 200;
    }
    System.exit(whole ? 0 : 1);
  }
}
