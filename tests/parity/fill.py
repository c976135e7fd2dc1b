# ruff: noqa
# fmt: off
"""Deterministic synthetic weights and inputs for the numerical parity fixtures.

Only numpy is needed.  See README.md for the rule in words.

    manifest = load_manifest("manifests/hfgi.pth.json")
    flat     = fill_state_dict(manifest, seed)      # {"aligner/conv_layer1.0.weight": ndarray, ...}
    nested   = build_checkpoint(manifest, seed)     # {"aligner": {"conv_layer1.0.weight": ndarray, ...}, ...}
    tensors  = to_torch(nested)                     # same nesting, torch tensors (needs torch)
"""
import gzip
import json
import os
import zlib

import numpy as np

__all__ = ["rng_for", "fill_entry", "fill_state_dict", "build_checkpoint", "to_torch",
           "load_manifest", "smooth_image", "normal", "uniform", "driving_window",
           "chirp_wav", "self_check", "pool"]

HERE = os.path.dirname(os.path.abspath(__file__))


# --------------------------------------------------------------------------- RNG
def rng_for(name, seed):
    """Philox generator keyed by (crc32 of the name, seed)."""
    key = np.array([zlib.crc32(name.encode("utf-8")) & 0xFFFFFFFF, int(seed)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def fill_entry(entry, seed):
    """One tensor of a manifest -> numpy array."""
    shape = tuple(entry["shape"])
    dtype = np.dtype(entry["dtype"])
    init = entry["init"]
    kind = init["dist"]
    n = int(np.prod(shape, dtype=np.int64)) if shape else 1
    if kind == "zeros":
        return np.zeros(shape, dtype)
    if kind == "ones":
        return np.ones(shape, dtype)
    if kind == "const":
        return np.asarray(init["values"], dtype=dtype).reshape(shape)
    rng = rng_for(entry["name"], seed)
    if kind == "normal":
        x = rng.standard_normal(n, dtype=np.float32)
        x *= np.float32(init.get("std", 1.0))
        x += np.float32(init.get("mean", 0.0))
    elif kind == "uniform":
        lo, hi = float(init["low"]), float(init["high"])
        x = rng.random(n, dtype=np.float32)
        x *= np.float32(hi - lo)
        x += np.float32(lo)
    elif kind == "randint":                      # low <= x < high
        x = rng.integers(int(init["low"]), int(init["high"]), size=n, dtype=np.int64)
    else:
        raise ValueError("unknown init %r for %s" % (kind, entry["name"]))
    return x.reshape(shape).astype(dtype, copy=False)


def load_manifest(path):
    """Read a manifest (.json or .json.gz); a bare checkpoint file name is looked up in manifests/."""
    if not os.path.exists(path):
        base = os.path.join(HERE, "manifests", path)
        for cand in (base, base + ".json", base + ".json.gz"):
            if os.path.exists(cand):
                path = cand
                break
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as f:
        return json.load(f)


def fill_state_dict(manifest, seed, prefix=None):
    """manifest + seed -> {entry name: array}; `prefix` restricts to names that start with it."""
    return {e["name"]: fill_entry(e, seed) for e in manifest["entries"]
            if prefix is None or e["name"].startswith(prefix)}


def build_checkpoint(manifest, seed):
    """Nested structure as it lies in the checkpoint file.

    An entry name is "section/key" for files made of sections and just "key" for plain
    state dicts; keys themselves never contain "/".  A manifest with "root": "tensor"
    is a file holding one bare tensor.
    """
    flat = fill_state_dict(manifest, seed)
    if manifest.get("root") == "tensor":
        return next(iter(flat.values()))
    out = {}
    for name, arr in flat.items():
        node = out
        parts = name.split("/")
        for p in parts[:-1]:
            node = node.setdefault(p, {})
        node[parts[-1]] = arr
    return out


def to_torch(obj):
    import torch
    if isinstance(obj, dict):
        return {k: to_torch(v) for k, v in obj.items()}
    return torch.from_numpy(np.array(obj, copy=True))


# ------------------------------------------------------------------------ inputs
def normal(name, shape, seed, std=1.0, mean=0.0):
    """float32 normal tensor, stream "input:<name>"."""
    x = rng_for("input:" + name, seed).standard_normal(int(np.prod(shape)), dtype=np.float32)
    return (x * np.float32(std) + np.float32(mean)).reshape(shape)


def uniform(name, shape, seed, low=0.0, high=1.0):
    x = rng_for("input:" + name, seed).random(int(np.prod(shape)), dtype=np.float32)
    return (x * np.float32(high - low) + np.float32(low)).reshape(shape)


def smooth_image(name, shape, seed):
    """Image-like float32 tensor in [-1, 1], NCHW: 6 random plane waves per channel + a little noise."""
    n, c, h, w = shape
    rng = rng_for("input:" + name, seed)
    yy, xx = np.meshgrid(np.arange(h) / h, np.arange(w) / w, indexing="ij")
    out = np.empty(shape, np.float64)
    for i in range(n):
        for j in range(c):
            acc = np.zeros((h, w))
            p = rng.random((6, 4))
            for fx, fy, ph, am in p:
                acc += (0.2 + 0.5 * am) * np.sin(2 * np.pi * ((8 * fx - 4) * xx + (8 * fy - 4) * yy + ph))
            acc = 0.85 * np.tanh(acc)
            acc += 0.1 * (2 * rng.random((h, w)) - 1)
            out[i, j] = acc
    return np.clip(out, -1.0, 1.0).astype(np.float32)


def driving_window(name, batch, seed, window=27):
    """Plausible (B, 73, 27) motion descriptors: smooth in time; expression std 0.7,
    angles std 0.2 rad, translation std 0.1 (mean [0, 0, 0.45]), crop ratio 0.85 +- 0.05 and crop
    t0, t1 of order 1 (real t0, t1 are about 128 for 256-pixel frames; small here so that every
    channel matters for the synthetic weights)."""
    rng = rng_for("input:" + name, seed)
    t = np.arange(window) / window
    out = np.zeros((batch, 73, window))
    for b in range(batch):
        base = rng.standard_normal(73)
        amp = 0.3 * rng.standard_normal(73)
        ph = rng.random(73)
        fr = 0.5 + rng.random(73)
        x = base[:, None] + amp[:, None] * np.sin(2 * np.pi * (fr[:, None] * t[None, :] + ph[:, None]))
        x[:64] *= 0.7
        x[64:67] *= 0.2
        x[67:70] = x[67:70] * 0.1 + np.array([0.0, 0.0, 0.45])[:, None]
        x[70] = 0.85 + 0.05 * x[70]
        out[b] = x
    return out.astype(np.float32)


def chirp_wav(seed, seconds=3.0, sr=16000):
    """Deterministic float32 wav in (-1, 1): three linear chirps with slow tremolo."""
    rng = rng_for("input:wav", seed)
    t = np.arange(int(seconds * sr)) / sr
    y = np.zeros_like(t)
    for k in range(3):
        f0, f1, am, ph, tr = rng.random(5)
        f0 = 80 + 600 * f0 * (k + 1)
        f1 = 200 + 1500 * f1 * (k + 1)
        phase = 2 * np.pi * (f0 * t + 0.5 * (f1 - f0) / seconds * t * t + ph)
        y += (0.1 + 0.15 * am) * np.sin(phase) * (0.6 + 0.4 * np.sin(2 * np.pi * (1 + 4 * tr) * t))
    return y.astype(np.float32)


def pool(x, k):
    """k x k mean pooling of the last two axes (float64 accumulation, float32 result)."""
    x = np.asarray(x)
    h, w = x.shape[-2:]
    y = x.reshape(x.shape[:-2] + (h // k, k, w // k, k)).astype(np.float64).mean((-3, -1))
    return y.astype(np.float32)


# -------------------------------------------------------------------- self check
_CHECK = None  # filled below


def self_check():
    """Raises if this numpy does not reproduce the streams the fixtures were made with."""
    n = fill_entry({"name": "a.weight", "shape": [4], "dtype": "float32",
                    "init": {"dist": "normal", "std": 1.0}}, 1)
    u = fill_entry({"name": "b.weight", "shape": [4], "dtype": "float32",
                    "init": {"dist": "uniform", "low": 0.0, "high": 1.0}}, 1)
    i = fill_entry({"name": "c.index", "shape": [4], "dtype": "int64",
                    "init": {"dist": "randint", "low": 0, "high": 1000}}, 1)
    np.testing.assert_allclose(n, _CHECK["normal"], rtol=0, atol=1e-7)
    np.testing.assert_allclose(u, _CHECK["uniform"], rtol=0, atol=1e-7)
    np.testing.assert_array_equal(i, _CHECK["randint"])


_CHECK = {"normal": [-1.4047564268112183, -0.17366251349449158, -0.7230302095413208, -0.01809208281338215],
          "uniform": [0.40119731426239014, 0.1416308879852295, 0.4539276361465454, 0.838647186756134],
          "randint": [480, 250, 929, 295]}

if __name__ == "__main__":
    self_check()
    print("fill.py: streams reproduce")
