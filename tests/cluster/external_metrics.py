"""Runs in a pod: serves the external metrics API from Prometheus, by the one rule that docs/chart.md gives.

It stands for prometheus-adapter: the API, the selector, the query and the series are real, the program is a page.
"""

import http.server
import json
import ssl
import sys
import urllib.parse
import urllib.request
from datetime import UTC, datetime

API = "external.metrics.k8s.io/v1beta1"


def main(prometheus: str, query: str, certificate: str, key: str) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(answer(self.path, prometheus, query)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("", 6443), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def answer(path, prometheus, query):
    """The list of resources, or one metric's value: /apis/GROUP/VERSION/namespaces/NAMESPACE/METRIC?labelSelector=..."""
    url = urllib.parse.urlsplit(path)
    words = url.path.strip("/").split("/")
    if len(words) < 6:
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API, "resources": []}
    namespace, metric = words[4], urllib.parse.unquote(words[5])
    pairs = urllib.parse.parse_qs(url.query)["labelSelector"][0].split(",")
    labels = dict(pair.split("=") for pair in pairs) | {"namespace": namespace}
    matchers = ",".join(f'{name}="{value}"' for name, value in labels.items())
    asked = query.replace("<<.Series>>", metric).replace("<<.LabelMatchers>>", matchers)
    where = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': asked})}"
    with urllib.request.urlopen(where, timeout=10) as found:
        series = json.load(found)["data"]["result"]
    items = [
        {"metricName": metric, "metricLabels": labels, "value": _milli(s["value"][1]), "timestamp": _now()}
        for s in series
    ]
    return {"kind": "ExternalMetricValueList", "apiVersion": API, "metadata": {}, "items": items}


def _milli(number):
    return f"{round(float(number) * 1000)}m"


def _now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


main(*sys.argv[1:5])
