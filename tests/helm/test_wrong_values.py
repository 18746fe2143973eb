"""Values that cannot work are refused before anything is installed, and the message names the fix."""

from __future__ import annotations

import re

import pytest

from tests.helm.chart import HELMS, MINIMAL, NEWEST, RefusedError, merged, profile_values, render

DIGEST = "sha256:" + "1" * 64
S3 = {"type": "s3", "pvc": {"claimName": "", "subPath": ""}, "s3": {"bucket": "models", "region": "eu-central-1"}}
ROUTES = {
    "enabled": True,
    "parentRefs": [{"name": "g"}],
    "http": {"hostnames": ["a.x"]},
    "grpc": {"hostnames": ["b.x"]},
}
CANARY = {"gateway": ROUTES, "canary": {"enabled": True}}


def _source(**changes):
    return {"modelSource": changes}


def _other_source(kind, **fields):
    return {"modelSource": {"type": kind, "pvc": {"claimName": "", "subPath": ""}, kind: fields}}


# What is wrong with the least that renders, and what the message must say: the key, and what to write.
WRONG = {
    "no model": ({"models": []}, r"models: is empty; name what is served"),
    "every model": ({"models": [{"name": "*"}]}, r"models: `\*`.*name each served model"),
    "a path as model": ({"models": [{"name": "../x"}]}, r"models: \"../x\".*letters, digits"),
    "a model twice": ({"models": [{"name": "a"}, {"name": "a"}]}, r"a stands there twice; one entry a model"),
    "a digest with its scheme": ({"models": [{"name": "a", "manifestSha256": DIGEST}]}, r"without `sha256:`"),
    "no claim": (_source(pvc={"claimName": ""}), r"pvc.claimName: is empty.*name it, or choose another type"),
    "a volume's root": (_source(pvc={"subPath": ""}), r"pvc.subPath: .*lost\+found.*into a folder"),
    "an absolute folder": (_source(pvc={"subPath": "/models"}), r"pvc.subPath: .*without a leading /"),
    "a folder outside": (_source(pvc={"subPath": "a/../../b"}), r"pvc.subPath: .*without \.\."),
    "two sources": (_source(s3={"bucket": "b"}), r"s3.bucket: is set, but.*exactly one source"),
    "no bucket": (_other_source("s3", region="eu-central-1"), r"s3.bucket: is empty.*choose another type"),
    "a bucket's address": (_other_source("s3", bucket="s3://b", region="r"), r"bare name, and the folder in prefix"),
    "a prefix with a slash": (_other_source("s3", bucket="b", prefix="/x/", region="r"), r"prefix: .*releases/42"),
    "no region": (_other_source("s3", bucket="b"), r"s3.region: is empty; name the bucket's region.*endpoint"),
    "an endpoint without scheme": (_other_source("s3", bucket="b", endpoint="minio:9000"), r"write https://host:port"),
    "keys beside a role": (
        {
            "modelSource": merged(S3, {"s3": {"existingSecret": {"name": "keys"}}}),
            "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn"}},
        },
        r"existingSecret.name: hides the role.*take one of the two away",
    ),
    "no storage account": (_other_source("azure", container="c"), r"azure.account: is empty"),
    "an image volume by tag": (_other_source("imageVolume", reference="r/m:1"), r"reference: has no digest.*@sha256:"),
    "a baked folder without root": (_other_source("baked", path="models"), r"baked.path: .*absolute path"),
    "a size in words": (_source(sizeLimit="10 gigabytes"), r"sizeLimit: .*write it as in 10Gi"),
    "a signature that nobody checks": (
        _source(verify=False, publicKey={"configMap": "signer"}),
        r"publicKey.configMap: is set, but.*verify: true",
    ),
    "no kit to verify": ({"kitImage": {"repository": ""}}, r"kitImage.repository: is empty.*build Dockerfile, push it"),
    "half a digest": ({"image": {"digest": "sha256:12"}}, r"image.digest: .*64 hex digits"),
    "a digest as tag": ({"image": {"tag": f"26.07-py3@{DIGEST}"}}, r"image.tag: .*the digest in digest"),
    "a tag in the repository": ({"image": {"repository": "a/b:26.07"}}, r"image.repository: .*in tag and digest"),
    "the latest": ({"kitImage": {"tag": "latest"}}, r"kitImage.tag: is `latest`.*name a version"),
    "a tag that tells nothing": ({"image": {"tag": "prod"}}, r"image.release: .*write the release inside as YY.MM"),
    "a month too many": ({"image": {"tag": "26.13-py3"}}, r"image.release: .*write the release inside as YY.MM"),
    "a release that never was": ({"image": {"tag": "23.13-py3", "release": "23.12"}}, r"one of 26.07 to 26.08"),
    "an old release": ({"image": {"tag": "25.08-py3"}}, r"image.tag: 25.08 has vulnerabilities.*serve 26.07 or later"),
    "a flag of the chart": ({"triton": {"extraArgs": ["--http-port=9"]}}, r"--http-port is set by the chart; use"),
    "polling": ({"triton": {"extraArgs": ["--model-control-mode=poll"]}}, r"immutable.*change models\[\]"),
    "frozen counters": ({"triton": {"extraArgs": ["--metrics-config=counter_latencies=false"]}}, r"leave it out"),
    "no flag": ({"triton": {"extraArgs": ["-v"]}}, r"\"-v\" is no flag; write --flag=value"),
    "a backend's wish": ({"triton": {"backendConfig": ["python"]}}, r"write BACKEND,KEY=VALUE"),
    "a secret in values": (
        {"triton": {"extraEnv": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]}},
        r"extraEnv: AWS_SECRET_ACCESS_KEY would stand in.*secretKeyRef",
    ),
    "engines of an unknown TensorRT": (
        {"engines": {"enabled": True, "tensorrtVersion": "10"}},
        r"engines.tensorrtVersion: \"10\" is not the version.*in full",
    ),
    "engines without a GPU": (
        {"engines": {"enabled": True, "tensorrtVersion": "10.13.2.6"}, "gpu": {"mode": "none"}},
        r"engines.enabled: is true, but gpu.mode is none",
    ),
    "engines of no cache": (
        {"engines": {"enabled": True, "tensorrtVersion": "10.13.2.6", "onMismatch": "fail"}},
        r"engines.cacheClaim: is empty.*name the claim.*or write onMismatch: rebuild",
    ),
    "engines of a baked repository": (
        merged(_other_source("baked", path="/models"), {"engines": {"enabled": True, "tensorrtVersion": "10.13.2.6"}}),
        r"engines.enabled: is true, but what is baked.*another modelSource.type",
    ),
    "mutual TLS without a certificate": ({"tls": {"mutual": True}}, r"tls.mutual: is true without.*name the Secret"),
    "a probe without TLS": (
        {"tls": {"existingSecret": "t"}, "probes": {"protocol": "grpc"}},
        r"probes.protocol: a kubelet's gRPC probe speaks no TLS; write http",
    ),
    "a gateway that trusts nobody": (
        {"tls": {"existingSecret": "t"}, "gateway": ROUTES},
        r"tls.gatewayCaConfigMap: is empty.*name the ConfigMap whose ca.crt",
    ),
    "a gateway that expects TLS": (
        {"tls": {"gatewayCaConfigMap": "ca"}},
        r"tls.gatewayCaConfigMap: is set.*leave both empty",
    ),
    "a load test without TLS": (
        {"tls": {"existingSecret": "t"}, "loadTest": {"enabled": True}, "admin": {"apis": ["trace"]}},
        r"loadTest.enabled: the load generator speaks no TLS",
    ),
    "connections that outlive their pod": (
        {"triton": {"grpcMaxConnectionAgeMs": 15000}},
        r"grpcMaxConnectionAgeMs: 15000 ms outlive termination.preStopSeconds, 15 s.*at most 14000",
    ),
    "a kind of GPU in capitals": ({"gpuProfiles": [{"name": "L4"}]}, r"gpuProfiles: \"L4\" is no name.*lower-case"),
    "a kind of GPU twice": ({"gpuProfiles": [{"name": "l4"}, {"name": "l4"}]}, r"l4 is the name of another Deployment"),
    "a kind of GPU named as a track": ({"gpuProfiles": [{"name": "canary"}]}, r"canary is the name of another"),
    "a wrong mode of one kind of GPU": (
        {"gpuProfiles": [{"name": "a100", "gpu": {"mode": "mig"}}]},
        r"gpuProfiles: a100: gpu.migProfile: .*write it as the node offers it",
    ),
    "several Deployments with one scaler": (
        {"gpuProfiles": [{"name": "l4"}], "autoscaling": {"type": "hpa"}},
        r"autoscaling.type: one number cannot scale several Deployments.*a release for each kind of GPU",
    ),
    "seconds for milliseconds": ({"triton": {"grpcMaxConnectionAgeMs": 300}}, r"write 300000 for 300 seconds"),
    "a slow probe": ({"probes": {"timeoutSeconds": 30}}, r"probes.timeoutSeconds: .*at most as long"),
    "MIG without profile": ({"gpu": {"mode": "mig"}}, r"gpu.migProfile: .*e.g. 1g.10gb"),
    "a profile without MIG": ({"gpu": {"migProfile": "1g.10gb"}}, r"gpu.migProfile: is set.*set gpu.mode: mig"),
    "GPU figures under MIG": (
        {"gpu": {"mode": "mig", "migProfile": "1g.10gb"}, "triton": {"metrics": {"gpu": True}}},
        r"triton.metrics.gpu: .*leave it at auto",
    ),
    "two shares": ({"gpu": {"mode": "shared", "count": 2}}, r"gpu.count: .*write 1"),
    "an old capability": ({"gpu": {"minComputeCapability": "6.1"}}, r"minComputeCapability: 6.1.*write 7.5 or more"),
    "a capability in words": ({"gpu": {"minComputeCapability": "sm_86"}}, r"minComputeCapability: .*as \"8.6\""),
    "a product without GPU": ({"gpu": {"mode": "none", "products": ["A100"]}}, r"gpu.products: .*choose a mode"),
    "a GPU by hand": ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, r"by hand; set gpu.mode and gpu.count"),
    "shared memory over the limit": ({"shm": {"sizeLimit": "16Gi"}}, r"limits.memory: 8Gi does not hold.*raise it"),
    "shared memory in words": ({"shm": {"sizeLimit": "plenty"}}, r"shm.sizeLimit: .*write it as in 256Mi"),
    "a request over the limit": ({"resources": {"requests": {"memory": "9Gi"}}}, r"requests.memory: .*lower it"),
    "threads from no limit": ({"resources": {"limits": {"cpu": None}}}, r"limits.cpu: is missing.*threadsFromCpuLimit"),
    "too little grace": ({"termination": {"gracePeriodSeconds": 30}}, r"gracePeriodSeconds: .*write 60 or more, or 0"),
    "a hasty restart": (
        {"probes": {"periodSeconds": 30, "restartAfterUnreadySeconds": 30}},
        r"restartAfterUnreadySeconds: .*more than two periods",
    ),
    "an upside-down range": ({"autoscaling": {"type": "keda", "minReplicas": 9}}, r"minReplicas: 9 is more.*swap them"),
    "scale to zero": ({"autoscaling": {"type": "keda", "minReplicas": 0}}, r"minReplicas: .*write 1 or more"),
    "KEDA without Prometheus": ({"autoscaling": {"type": "keda"}}, r"keda.serverAddress: .*write it as in http://"),
    "an HPA without rules": (
        {"autoscaling": {"type": "hpa"}, "monitoring": {"rules": {"enabled": False}}},
        r"monitoring.rules.enabled: .*set it to true, or use autoscaling.type: keda",
    ),
    "scaling without scrape": (
        {"autoscaling": {"type": "hpa"}, "monitoring": {"scrape": {"enabled": False}}},
        r"monitoring.scrape.enabled: .*set it to true",
    ),
    "routes to no gateway": ({"gateway": {"enabled": True}}, r"gateway.parentRefs: is empty; name the Gateway"),
    "no route": ({"gateway": merged(ROUTES, {"http": {"enabled": False}, "grpc": {"enabled": False}})}, r"turn one of"),
    "routes without hosts": ({"gateway": merged(ROUTES, {"grpc": {"hostnames": []}})}, r"give each hostnames of its"),
    "one host for both": ({"gateway": merged(ROUTES, {"grpc": {"hostnames": ["a.x"]}})}, r"only one of the routes"),
    "a wildcard that meets": ({"gateway": merged(ROUTES, {"grpc": {"hostnames": ["*.x"]}})}, r"\*\.x meets a\.x"),
    "a time-out in words": ({"gateway": merged(ROUTES, {"http": {"requestTimeout": "soon"}})}, r"write it as in 10s"),
    "weight of nothing": ({"traffic": {"canaryWeight": 5}}, r"canaryWeight: .*turn both on, or write 0"),
    "an owner of nothing": ({"traffic": {"owner": "external"}}, r"traffic.owner: .*or owner: chart"),
    "a canary in another network": (
        merged(CANARY, {"canary": {"override": {"networkPolicy": {}}}}),
        r"canary.override.networkPolicy: .*differs in: image, models",
    ),
    "a canary of many": (merged(CANARY, {"canary": {"replicaCount": 3}}), r"replicaCount: 3 is more than.*lower"),
    "a canary of none": (
        merged(CANARY, {"canary": {"replicaCount": 0}, "traffic": {"canaryWeight": 5}}),
        r"canary.replicaCount: is 0.*write 1, or weight 0",
    ),
    "a wrong canary": (
        merged(CANARY, {"canary": {"override": {"image": {"tag": "24.10-py3"}}}}),
        r"canary: image.tag: 24.10 has vulnerabilities",
    ),
    "a host as network": ({"networkPolicy": {"store": {"cidrs": ["s3.aws.com"]}}}, r"no network; write it as in 10.1"),
    "traces over gRPC": ({"tracing": {"endpoint": "http://c:4317/v1/traces"}}, r"write http://HOST:4318/v1/traces"),
    "traces to a host": ({"tracing": {"endpoint": "collector"}}, r"endpoint: .*write http://HOST:4318/v1/traces"),
    "traces into the policy": ({"tracing": {"endpoint": "http://c:4318/v1/traces"}}, r"name the collector"),
    "no account": ({"serviceAccount": {"create": False}}, r"serviceAccount.name: .*name the existing account"),
    "a lost role": (
        {"serviceAccount": {"create": False, "name": "x", "annotations": {"a": "b"}}},
        r"serviceAccount.annotations: would be lost.*create: true",
    ),
    "a selector's label": ({"podLabels": {"tritonkit/track": "x"}}, r"podLabels: .*use a key of your own"),
    "runbooks nowhere": ({"monitoring": {"rules": {"runbookBase": "wiki"}}}, r"runbookBase: .*write https://"),
    "a load test of another": (
        {"loadTest": {"enabled": True, "model": "x"}, "admin": {"apis": []}},
        r"loadTest.model: \"x\" is not served; one of: efficientnet_lite0",
    ),
    "a load test without leave": ({"loadTest": {"enabled": True}}, r"loadTest.enabled: .*take model-config out"),
    "a rate in words": ({"loadTest": {"enabled": True, "rate": "fast"}}, r"loadTest.rate: .*requests a second"),
    "a name no Service has": ({"fullnameOverride": "Triton_1"}, r"fullnameOverride: .*lower-case letters"),
}

# What the production profile refuses beyond that: of its own example in ci/.
RISKY = {
    "a tag without digest": ({"image": {"digest": ""}}, r"image.digest: is empty.*crane digest"),
    "the kit without digest": ({"kitImage": {"digest": ""}}, r"kitImage.digest: is empty"),
    "an unpinned model": ({"models": [{"name": "a"}]}, r"a has no manifestSha256.*`tritonkit deploy`"),
    "nothing verified": ({"modelSource": {"verify": False}}, r"modelSource.verify: is false.*set it to true"),
    "no limit of memory": ({"resources": {"limits": {"memory": None}}}, r"limits.memory: is missing.*measure"),
    "no request": ({"resources": {"requests": {"cpu": None}}}, r"resources.requests.cpu: is missing"),
    "one replica": ({"autoscaling": {"type": "none"}, "replicaCount": 1}, r"replicaCount: is 1.*write 2 or more"),
    "one replica at least": ({"autoscaling": {"minReplicas": 1}}, r"autoscaling.minReplicas: is 1"),
    "no budget": ({"pdb": {"enabled": False}}, r"pdb.enabled: is false.*set it to true"),
    "a budget of all": ({"pdb": {"maxUnavailable": 2}}, r"pdb.maxUnavailable: .*less than the replicas"),
    "an open network": ({"networkPolicy": {"enabled": False}}, r"networkPolicy.enabled: is false"),
    "a closed one": ({"networkPolicy": {"clients": []}}, r"networkPolicy.clients: is empty.*name the peers"),
    "a key that is no secret": ({"admin": {"existingSecret": {"name": ""}}}, r"kubectl create secret generic"),
    "an open interface": ({"admin": {"apis": ["trace"]}}, r"admin.apis: logging is open.*add logging"),
}

# What the schema refuses: it knows each value's type, range and choice, and every key.
MISTYPED = {
    "an unknown key": ({"gpus": {"count": 1}}, r"gpus"),
    "a misspelled key": ({"gpu": {"modus": "mig"}}, r"modus"),
    "another mode": ({"gpu": {"mode": "timeslice"}}, r"count.*mig.*shared.*dra.*none"),
    "another source": ({"modelSource": {"type": "nfs"}}, r"pvc.*s3.*gcs.*azure.*imageVolume.*baked"),
    "polling mode": ({"triton": {"control": "poll"}}, r"explicit.*none"),
    "two autoscalers": ({"autoscaling": {"type": "hpa+keda"}}, r"none.*hpa.*keda"),
    "a weight over all": ({"traffic": {"canaryWeight": 101}}, r"100"),
    "a negative count": ({"replicaCount": -1}, r"0"),
    "a number in words": ({"startup": {"maxLoadSeconds": "5m"}}, r"integer"),
    "no time for balancers": ({"termination": {"preStopSeconds": 0}}, r"5"),
    "a tag as number": ({"image": {"tag": 26.07}}, r"string"),
    "an unknown restriction": ({"admin": {"apis": ["inference"]}}, r"model-repository.*logging"),
}


def _refusal(values, **options):
    with pytest.raises(RefusedError) as caught:
        render(values, **options)
    return str(caught.value)


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_value_is_refused_with_its_fix(what):
    changes, message = WRONG[what]
    said = _refusal(merged(MINIMAL, changes))
    assert "these values cannot work" in said
    assert re.search(message, said), said


@pytest.mark.parametrize("what", RISKY)
def test_production_refuses_what_is_risky(what):
    changes, message = RISKY[what]
    said = _refusal(merged(profile_values("production"), changes))
    assert re.search(message, said), said


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("what", MISTYPED)
def test_the_schema_refuses(what, helm):
    changes, message = MISTYPED[what]
    assert re.search(message, _refusal(merged(MINIMAL, changes), helm=helm), re.DOTALL)


def test_there_are_enough_of_them():
    assert len(WRONG) + len(RISKY) >= 40


def test_all_problems_are_told_at_once():
    said = _refusal(merged(MINIMAL, {"models": [], "shm": {"sizeLimit": "x"}, "traffic": {"canaryWeight": 5}}))
    assert sum(line.startswith("- ") for line in said.splitlines()) == 3


def test_helm_3_says_the_same():
    changes = {"termination": {"gracePeriodSeconds": 30}}
    lines = [
        [line for line in _refusal(merged(MINIMAL, changes), helm=helm).splitlines() if line.startswith("- ")]
        for helm in HELMS
    ]
    assert lines[0] == lines[1]


def test_an_old_release_is_served_for_a_reason():
    assert render(merged(MINIMAL, {"image": {"tag": "25.08-py3", "acceptOldRelease": "the driver is 575"}}))


def test_what_a_cluster_is_too_old_for_is_refused():
    assert "needs Kubernetes 1.34" in _refusal(profile_values("dra"), kubernetes="1.33")
    assert "featureGateEnabled" in _refusal(profile_values("image-volume"), kubernetes="1.34")
    assert render(profile_values("image-volume"), kubernetes=NEWEST)
