"""What is timed runs in a process of its own: `descent peer`, pytorch_peer.py, optax_peer.py. They
answer requests, a line of JSON each, and sleep in between."""

import json
import math
import subprocess
import sys


class Peer:
    """A process that answers requests."""

    def __init__(self, command):
        self._command = [str(part) for part in command]
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._created = 0

    def ask(self, request, **values):
        self._process.stdin.write(json.dumps({"request": request} | values) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command} ended with status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self._command}: {answer['error']}")
        return answer

    def close(self):
        self._process.stdin.close()
        self._process.wait()

    def side(self, name, rule, hyperparameters, model, **options):
        """Begins a case; `options` go into the request."""
        self._created += 1
        return Side(self, str(self._created), name, rule, hyperparameters, model, options)


class Side:
    """One rule on one model in a peer's memory."""

    def __init__(self, peer, identifier, name, rule, hyperparameters, model, options):
        self._peer, self._id, self.name = peer, identifier, name
        self.engine = peer.ask(
            "create",
            id=identifier,
            rule=rule,
            hyperparameters=hyperparameters,
            shapes=model.shapes,
            **options,
        )["engine"]

    def run(self, lead, steps):
        """Seconds for `steps` steps, back to back and waited for once, after `lead` untimed ones:
        by the host's clock, and by the device's where that is known."""
        answer = self._peer.ask("run", id=self._id, lead=lead, steps=steps)
        return answer["seconds"], answer.get("deviceSeconds")

    def sample(self, stride):
        """Every stride-th parameter, and the sum of all magnitudes."""
        answer = self._peer.ask("sample", id=self._id, stride=stride)
        return [float(value) for value in answer["values"]], float(answer["sumOfMagnitudes"])

    def drop(self):
        self._peer.ask("drop", id=self._id)


def serve(create, dropped=lambda: None, **more):
    """Answers requests until standard input ends. `create` makes an object from the request; its
    methods run and sample return what the answers hold; `dropped` is called when it is gone. `more`
    are other requests by name."""
    cases = {}
    for line in sys.stdin:
        try:
            request = json.loads(line)
            match request.pop("request"):
                case "create":
                    identifier = request.pop("id")
                    cases[identifier] = create(**request)
                    answer = {"engine": cases[identifier].engine}
                case "run":
                    seconds, device = cases[request["id"]].run(request["lead"], request["steps"])
                    answer = {"seconds": seconds, "deviceSeconds": device}
                case "sample":
                    values, total = cases[request["id"]].sample(request["stride"])
                    answer = {"values": values, "sumOfMagnitudes": total}
                case "drop":
                    del cases[request["id"]]
                    dropped()
                    answer = {}
                case name:
                    answer = more[name](**request)
        except Exception as error:  # The other end raises it.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def offsets(shapes):
    """Every tensor's place in the flat vector of all of them, and the vector's length."""
    places, count = [], 0
    for shape in shapes:
        size = math.prod(shape)
        places.append((count, count + size))
        count += size
    return places, count
