"""Runs in a pod: fifty requests a second through the kit's client, half over each protocol, and beside them a few
through tritonclient without a second try. Ends when /tmp/stop is there; its last line is what it saw, as JSON.
"""

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import tritonclient.grpc
import tritonclient.http

from clients import Client, ClientError, Retry

RATE = 50.0
RAW_RATE = 10.0
MOST_SECONDS = 280.0


def main(http: str, grpc: str, model: str, picture: Path) -> None:
    image = np.array([[picture.read_bytes()]], dtype=object)
    seen = {"kit": {"answers": {}, "failures": []}, "raw": {"answers": {}, "failures": []}}
    asks = {
        "kit": [_kit(f"http://{http}", model, image), _kit(f"grpc://{grpc}", model, image)],
        "raw": [_raw(tritonclient.http, http, model, image), _raw(tritonclient.grpc, grpc, model, image)],
    }
    threads = [
        threading.Thread(target=_repeat, args=(ask, seen[who], rate / 4, turn), daemon=True)
        for who, rate in (("kit", RATE), ("raw", RAW_RATE))
        # Two threads a protocol, so that one slow answer does not hold up the next request.
        for ask in asks[who]
        for turn in range(2)
    ]
    for thread in threads:
        thread.start()
    print("started", flush=True)
    for thread in threads:
        thread.join(MOST_SECONDS + 30)
    print(json.dumps(seen), flush=True)


def _kit(url, model, image):
    # A release that has just been scaled down to nobody ready is not to be hidden by patience.
    client = Client(url, timeout=10.0, retry=Retry(attempts=4, reserve=20))

    def ask():
        return client.infer(model, {"image": image})["label"].ravel()[0]

    return ask


def _raw(library, url, model, image):
    client = library.InferenceServerClient(url, **({"concurrency": 2} if library is tritonclient.http else {}))
    tensor = library.InferInput("image", [1, 1], "BYTES")
    tensor.set_data_from_numpy(image)
    lock = threading.Lock()

    def ask():
        with lock:
            return client.infer(model, [tensor]).as_numpy("label").ravel()[0]

    return ask


def _repeat(ask, seen, rate, turn):
    due = time.monotonic() + turn / rate / 2
    end = due + MOST_SECONDS
    while not Path("/tmp/stop").exists() and time.monotonic() < end:
        time.sleep(max(0.0, due - time.monotonic()))
        due += 1 / rate
        try:
            label = ask()
        except ClientError as error:
            seen["failures"].append(f"{error}"[:300])
        except Exception as error:  # noqa: BLE001 - tritonclient's errors have no common class
            seen["failures"].append(f"{type(error).__name__}: {error}"[:300])
        else:
            mark = (label.decode() if isinstance(label, bytes) else str(label)).split()[1]
            seen["answers"][mark] = seen["answers"].get(mark, 0) + 1


main(*sys.argv[1:4], Path(sys.argv[4]))
