"""How Triton is run: flags by release, GPUs, keys, network."""

from __future__ import annotations

import pytest

from tests.helm.chart import (
    MINIMAL,
    PROFILES,
    containers,
    merged,
    named,
    of_kind,
    pod_specs,
    profile_values,
    render,
    render_profile,
    render_text,
    server,
)

ADMIN = "model-repository,model-config,shared-memory,statistics,trace,logging:tritonkit-admin=$(TRITONKIT_ADMIN_KEY)"


@pytest.mark.parametrize("profile", PROFILES)
def test_safe_flags_are_always_there(profile):
    args = of_kind(render_profile(profile), "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"]
    for flag in (
        "--strict-readiness=true",
        "--exit-on-error=true",
        "--allow-client-shm=false",
        "--allow-sagemaker=false",
        "--allow-vertex-ai=false",
        "--disable-auto-complete-config",
    ):
        assert flag in args, flag
    names = [arg.partition("=")[0] for arg in args]
    repeated = {name for name in names if names.count(name) > 1}
    assert repeated <= {"--load-model", "--metrics-config", "--trace-config", "--backend-config"}


def test_served_names_alone_are_loaded_or_all_of_a_repository_that_holds_no_more():
    assert "--load-model=efficientnet_lite0" in server(render(MINIMAL))["args"]
    args = server(render_profile("baked"))["args"]
    assert "--model-control-mode=none" in args
    assert not [arg for arg in args if arg.startswith("--load-model")]


def test_administrative_apis_are_restricted_on_both_protocols_by_a_secret():
    container = server(render_profile("production"))
    assert f"--http-restricted-api={ADMIN}" in container["args"]
    assert f"--grpc-restricted-protocol={ADMIN}" in container["args"]
    (key,) = (v for v in container["env"] if v["name"] == "TRITONKIT_ADMIN_KEY")
    assert key["valueFrom"] == {"secretKeyRef": {"name": "triton-admin", "key": "key"}}


def test_without_a_secret_nobody_is_told_the_key():
    (key,) = (v for v in server(render(MINIMAL))["env"] if v["name"] == "TRITONKIT_ADMIN_KEY")
    assert key["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.uid"}}


@pytest.mark.parametrize(
    ("release", "there", "absent"),
    [
        ("24.10", [], ["--grpc-infer-thread-count", "--http-max-input-size", "--allow-client-shm"]),
        ("25.06", ["--grpc-infer-thread-count=2", "--http-max-input-size=67108864"], ["--allow-client-shm"]),
        ("26.08", ["--allow-client-shm=false", "--grpc-max-response-pool-size=1000"], []),
    ],
)
def test_flags_are_those_that_the_release_knows(release, there, absent):
    image = {"tag": "mine", "release": release, "acceptOldRelease": "a test"}
    args = server(render(merged(MINIMAL, {"image": image})))["args"]
    assert set(there) <= set(args)
    assert not set(absent) & {arg.partition("=")[0] for arg in args}


RESOURCES = {
    "minimal-cpu": None,
    "mig": "nvidia.com/mig-1g.10gb",
    "shared": "nvidia.com/gpu.shared",
    "canary": "nvidia.com/gpu",
    "dra": None,
}


@pytest.mark.parametrize("profile", RESOURCES)
def test_a_gpu_is_asked_for_in_its_mode(profile):
    documents = render_profile(profile)
    pod = pod_specs(documents)["Deployment demo-tritonkit"]
    resources = pod["containers"][0]["resources"]
    asked = {name for name in resources["limits"] if "/" in name}
    assert asked == ({RESOURCES[profile]} - {None})
    claims = of_kind(documents, "ResourceClaimTemplate")
    assert bool(claims) == (profile == "dra") == bool(resources.get("claims"))
    metrics = "true" if profile in {"canary", "dra"} else "false"
    assert f"--allow-gpu-metrics={metrics}" in pod["containers"][0]["args"]
    assert ("tolerations" in pod) == (profile != "minimal-cpu")


def _fits(terms, labels):
    """What the scheduler decides: some term whose expressions all hold."""

    def holds(expression):
        value = labels.get(expression["key"])
        if value is None:
            return False
        if expression["operator"] == "In":
            return value in expression["values"]
        return int(value) > int(expression["values"][0])

    return any(all(map(holds, term["matchExpressions"])) for term in terms)


@pytest.mark.parametrize(
    ("capability", "driver", "memory", "fits"),
    [
        ((8, 6), 595, 24576, True),
        ((9, 0), 610, 81559, True),
        ((8, 9), 595, 20000, True),
        ((8, 0), 610, 81559, False),
        ((7, 5), 610, 24576, False),
        ((8, 6), 594, 24576, False),
        ((9, 0), 610, 16384, False),
    ],
)
def test_only_nodes_that_can_run_it_are_chosen(capability, driver, memory, fits):
    pod = pod_specs(render_profile("shared"))["Deployment demo-tritonkit"]
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    labels = {
        "nvidia.com/gpu.compute.major": str(capability[0]),
        "nvidia.com/gpu.compute.minor": str(capability[1]),
        "nvidia.com/cuda.driver-version.major": str(driver),
        "nvidia.com/gpu.memory": str(memory),
    }
    assert _fits(terms, labels) == fits


def test_each_kind_of_gpu_has_a_deployment_behind_the_same_services():
    documents = render_profile("gpu-profiles")
    deployments = {d["metadata"]["name"].rpartition("-")[2]: d["spec"] for d in of_kind(documents, "Deployment")}
    assert deployments.keys() == {"l4", "a100"}
    assert [deployments[kind]["replicas"] for kind in ("l4", "a100")] == [2, 1]
    pods = {kind: spec["template"] for kind, spec in deployments.items()}
    for kind, profile in {"l4": "sm89", "a100": "sm80"}.items():
        (container,) = pods[kind]["spec"]["containers"]
        assert f"--model-config-name={profile}" in container["args"]
        assert deployments[kind]["selector"]["matchLabels"].items() <= pods[kind]["metadata"]["labels"].items()
        terms = pods[kind]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert kind.upper() in str(terms)
    resources = [pods[kind]["spec"]["containers"][0]["resources"]["limits"] for kind in ("l4", "a100")]
    assert [resources[0]["nvidia.com/gpu"], resources[1]["nvidia.com/mig-1g.10gb"]] == [1, 1]
    assert "nvidia.com/gpu" not in resources[1]
    # Neither Deployment may take the other's pods; Services, budget and policies take both.
    labels = {kind: pod["metadata"]["labels"] for kind, pod in pods.items()}
    assert not deployments["l4"]["selector"]["matchLabels"].items() <= labels["a100"].items()
    budget = named(documents, "PodDisruptionBudget", "demo-tritonkit")["spec"]["selector"]["matchLabels"]
    for chosen in (budget, *(s["spec"]["selector"] for s in of_kind(documents, "Service"))):
        assert all(chosen.items() <= pod.items() for pod in labels.values())


def test_threads_follow_from_the_cpu_limit():
    threads = {v["name"]: v for v in server(render(MINIMAL))["env"] if v["name"].endswith("_NUM_THREADS")}
    assert threads.keys() >= {"OMP_NUM_THREADS", "ORT_INTRA_OP_NUM_THREADS"}
    for variable in threads.values():
        assert variable["valueFrom"]["resourceFieldRef"]["resource"] == "limits.cpu"
    off = merged(MINIMAL, {"threadsFromCpuLimit": False})
    assert not [v for v in server(render(off))["env"] if v["name"].endswith("_NUM_THREADS")]


def test_sigterm_reaches_triton_while_models_load():
    pod = pod_specs(render(MINIMAL))["Deployment demo-tritonkit"]
    assert pod["shareProcessNamespace"] is True
    assert pod["containers"][0]["command"] == ["tritonserver"]


@pytest.mark.parametrize("profile", ["production", "hpa"])
def test_replicas_are_left_to_the_autoscaler_and_there_is_one(profile):
    documents = render_profile(profile)
    assert "replicas" not in named(documents, "Deployment", "demo-tritonkit")["spec"]
    assert len([d for d in documents if d["kind"] in {"ScaledObject", "HorizontalPodAutoscaler"}]) == 1


def test_the_canary_is_not_scaled_and_differs_in_its_models_alone():
    documents = render(merged(profile_values("canary"), {"autoscaling": {"type": "hpa"}}))
    stable, canary = (named(documents, "Deployment", f"demo-tritonkit{end}")["spec"] for end in ("", "-canary"))
    assert "replicas" not in stable
    assert canary["replicas"] == 1
    one, other = (spec["template"]["spec"]["containers"] for spec in (stable, canary))
    assert [c["args"] for c in one] == [c["args"] for c in other]
    notes = [
        spec["template"]["metadata"]["annotations"]["tritonkit/manifest.efficientnet_lite0"]
        for spec in (stable, canary)
    ]
    assert notes == ["a" * 64, "b" * 64]


def test_ports_say_their_protocol():
    services = {s["metadata"]["name"]: s["spec"] for s in of_kind(render(MINIMAL), "Service")}
    assert services["demo-tritonkit-http"]["ports"][0]["appProtocol"] == "http"
    assert services["demo-tritonkit-grpc"]["ports"][0]["appProtocol"] == "kubernetes.io/h2c"
    assert services["demo-tritonkit-headless"]["clusterIP"] == "None"


def test_tls_of_the_grpc_port_is_known_to_all_who_meet_it():
    documents = render_profile("tls")
    container = server(documents)
    assert {"--grpc-use-ssl=true", "--grpc-use-ssl-mutual=true", "--grpc-root-cert=/tls/ca.crt"} <= set(
        container["args"]
    )
    assert {"name": "tls", "mountPath": "/tls", "readOnly": True} in container["volumeMounts"]
    services = {s["metadata"]["name"]: s["spec"]["ports"] for s in of_kind(documents, "Service")}
    assert services["demo-tritonkit-grpc"][0]["appProtocol"] == "https"
    assert {port["name"]: port["appProtocol"] for port in services["demo-tritonkit-headless"]}["grpc"] == "https"
    policy = named(documents, "BackendTLSPolicy", "demo-tritonkit")["spec"]
    assert [target["name"] for target in policy["targetRefs"]] == ["demo-tritonkit-grpc"]
    assert policy["validation"]["hostname"] == "demo-tritonkit-grpc"
    pod = named(documents, "Pod", "demo-tritonkit-parity")["spec"]
    (health,) = (c for c in pod["initContainers"] if c["name"] == "health-grpcs")
    assert health["args"][:3] == ["health", "grpcs://demo-tritonkit-grpc:8001", "--ca=/tls/ca.crt"]
    assert not [arg for arg in pod["containers"][0]["args"] if arg.startswith("grpc")]
    plain = render(merged(profile_values("tls"), {"tls": {"mutual": False}}))
    (parity,) = named(plain, "Pod", "demo-tritonkit-parity")["spec"]["containers"]
    assert "grpcs://demo-tritonkit-grpc:8001" in parity["args"]


def _egress(profile):
    policy = named(render_profile(profile), "NetworkPolicy", "demo-tritonkit")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    return [(to, port["port"]) for rule in policy["egress"] for to in rule["to"] for port in rule["ports"]]


def test_a_pod_that_needs_no_store_reaches_dns_alone():
    assert {port for _, port in _egress("minimal-cpu")} == {53}


def test_openings_follow_from_the_source_and_the_identity():
    assert ({"ipBlock": {"cidr": "10.0.0.0/8"}}, 9000) in _egress("s3-secret")
    assert ({"ipBlock": {"cidr": "169.254.169.252/32"}}, 988) in _egress("gcs")
    assert not [to for to, _ in _egress("s3-identity") if "169.254.169.254/32" in str(to)]
    assert {port for _, port in _egress("production")} == {53, 4318}


def test_metrics_are_for_prometheus_alone():
    policy = named(render_profile("production"), "NetworkPolicy", "demo-tritonkit")["spec"]
    peers = {port["port"]: rule["from"] for rule in policy["ingress"] for port in rule["ports"]}
    assert peers[8002] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert peers[8000] == peers[8001]


def test_a_canary_from_a_store_opens_the_network_too():
    override = {"modelSource": profile_values("s3-secret")["modelSource"] | {"pvc": {"claimName": "", "subPath": ""}}}
    documents = render(merged(profile_values("canary"), {"canary": {"override": override}}))
    ports = [
        p["port"] for r in named(documents, "NetworkPolicy", "demo-tritonkit")["spec"]["egress"] for p in r["ports"]
    ]
    assert 443 in ports


def test_traces_go_where_they_are_told():
    args = server(render_profile("production"))["args"]
    assert "--trace-config=opentelemetry,url=http://collector.observability:4318/v1/traces" in args
    assert "--trace-config=rate=0" in args


def test_gateway_routes_carry_inference_and_nothing_that_changes_a_server():
    text = render_text(profile_values("production"))
    for word in ("/v2/repository", "RepositoryModelLoad", "SystemSharedMemoryRegister", "/v2/logging"):
        assert word not in text


def test_a_load_test_knows_its_master_and_keeps_its_report():
    documents = render_profile("load-test")
    jobs = {job["metadata"]["name"].rpartition("-")[2]: job["spec"] for job in of_kind(documents, "Job")}
    (service,) = (s for s in of_kind(documents, "Service") if "-load-" in s["metadata"]["name"])
    worker = containers(jobs["worker"]["template"]["spec"])[0]
    assert f"--master-host={service['metadata']['name']}" in worker["args"]
    assert jobs["worker"]["parallelism"] == 3
    assert "--expect-workers=3" in containers(jobs["master"]["template"]["spec"])[0]["args"]
    assert {"claimName": "reports"} in [
        v.get("persistentVolumeClaim") for v in jobs["master"]["template"]["spec"]["volumes"]
    ]
    labels = jobs["master"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
