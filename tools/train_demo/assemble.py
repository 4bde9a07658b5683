#!/usr/bin/env python3
"""Puts the trained parts together as a pipeline folder that FluxPipeline.from_pretrained loads.

    assemble.py --tokenizers DIR --vae DIR --flow DIR --out DIR [--size demo|tiny] [--scores SCORES.json]

--scores: what evaluate_shapes.py wrote for the 1,000 evaluation records; without it the card has the
scores of the training's own sampler alone. Runs on a CPU in a few seconds.
"""
import argparse
import json
import pathlib
import shutil

import torch

import models

LIMIT_BYTES = 30_000_000
CARD = pathlib.Path(__file__).with_name("model_card.md")


def curve_svg(series, title):
    """[(seconds, loss)] -> a small plot, the loss on a logarithmic scale"""
    import math
    points = [(s, math.log10(v)) for s, v in series if v > 0]
    if len(points) < 2:
        return ""
    (x0, x1), (y0, y1) = ((min(p[i] for p in points), max(p[i] for p in points)) for i in (0, 1))
    place = lambda p: f"{40 + 340 * (p[0] - x0) / max(x1 - x0, 1e-9):.1f},{130 - 110 * (p[1] - y0) / max(y1 - y0, 1e-9):.1f}"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="160" font-family="sans-serif" font-size="10">'
            f'<rect width="400" height="160" fill="white"/><text x="40" y="12">{title}</text>'
            f'<text x="2" y="134">{10 ** y0:.3g}</text><text x="2" y="24">{10 ** y1:.3g}</text>'
            f'<text x="40" y="150">{x0:.0f} s</text><text x="350" y="150">{x1:.0f} s</text>'
            f'<polyline fill="none" stroke="steelblue" stroke-width="1.5" points="{" ".join(map(place, points))}"/></svg>\n')


def score_table(scores):
    columns = ("records", "colour", "shape", "count", "relation", "all", "size", "background")
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in scores.items():
        for label, values in ((name, row), (name + ", held-out pairs only", row.get("held_out"))):
            if values:
                cells = [str(values["records"])] + ["" if values[c] is None else f"{100 * values[c]:.1f} %" for c in columns[1:]]
                lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def joined_curve(runs):
    """[(seconds since the first run began, loss)] over runs that continue each other"""
    series, before = [], 0.0
    for run in runs:
        series += [(before + c[0], c[3]) for c in run["curve"] if c[1] > 20]
        before += run["seconds"]
    return series


def write_card(out, vae_facts, flow_facts, scores, size_bytes):
    runs = flow_facts["runs"]
    total = lambda key: sum(run[key] for run in runs)
    sizes = models.SIZES[flow_facts["size"]]
    if scores:
        pixels = scores["pixels"]
        told = (f"`jobs/shapes/evaluation.jsonl` in float32 on one GPU:\n\n{score_table({n: scores[n] for n in ('ditbatch', 'diffusers')})}\n\n"
                f"Of the {pixels['records']} images {pixels['within 1 of 255']} differ from diffusers' by at most 1 of 255, "
                f"{pixels['within 2 of 255']} by at most 2, all by at most {pixels['largest']}.")
    else:
        told = "Not scored as a pipeline yet."
    if flow_facts.get("scores"):
        told += "\n\nAt the end of training, with a small sampler of its own:\n\n" + score_table(flow_facts["scores"])
    parameters = {"vae": vae_facts["parameters"], **flow_facts["parameters"]}
    values = {
        "SCORES": told, "PARAMETERS": ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in parameters.items()),
        "TOTAL": f"{sum(parameters.values()) / 1e6:.2f} M", "BYTES": f"{size_bytes / 1e6:.1f} MB",
        "CONFIGURATION": json.dumps(sizes, indent=1), "SCHEDULER": json.dumps(models.SCHEDULER),
        "VAE_STEPS": f"{vae_facts['steps']:,}", "VAE_SECONDS": f"{vae_facts['seconds']:.0f}",
        "PSNR": ", ".join(f"{size} {value} dB" for size, value in vae_facts["psnr_db"].items()),
        "FLOW_RUNS": str(len(runs)), "FLOW_STEPS": f"{total('steps'):,}", "FLOW_IMAGES": f"{total('images'):,}",
        "FLOW_SECONDS": f"{total('seconds'):.0f}", "DEVICE": runs[-1]["device"],
        "READING": f"{100 * min(flow_facts['reading'][-1][2:]):.2f} %" if flow_facts.get("reading") else "not measured",
    }
    card = CARD.read_text()
    for name, value in values.items():
        card = card.replace("{{" + name + "}}", value)
    if "{{" in card:
        raise ValueError("the card has a place that nothing fills: " + card[card.index("{{"):][:40])
    (out / "README.md").write_text(card)
    (out / "curve_vae.svg").write_text(curve_svg([(c[0], c[2]) for c in vae_facts["curve"]], "autoencoder: loss"))
    (out / "curve_flow.svg").write_text(curve_svg(joined_curve(runs), "flow matching: loss"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizers", required=True, type=pathlib.Path)
    parser.add_argument("--vae", required=True, type=pathlib.Path)
    parser.add_argument("--flow", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--size", choices=sorted(models.SIZES), default="demo")
    parser.add_argument("--scores", type=pathlib.Path)
    args = parser.parse_args()
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline
    from transformers import CLIPTokenizer, T5TokenizerFast
    vae, clip, t5, transformer = models.load_trained(args.size, models.read_sizes(args.tokenizers), args.vae, args.flow)
    if args.out.exists():
        shutil.rmtree(args.out)
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**models.SCHEDULER), vae=vae, text_encoder=clip, text_encoder_2=t5,
        tokenizer=CLIPTokenizer.from_pretrained(args.tokenizers / "tokenizer"),
        tokenizer_2=T5TokenizerFast.from_pretrained(args.tokenizers / "tokenizer_2"), transformer=transformer)
    pipeline.to(torch.bfloat16).save_pretrained(args.out)
    for name in ("tokenizer", "tokenizer_2"):  # as in published folders, not tokenizer.json alone
        shutil.rmtree(args.out / name)
        shutil.copytree(args.tokenizers / name, args.out / name)
    vae_facts, flow_facts = (json.loads(path.read_text()) for path in (args.vae / "vae.json", args.flow / "flow.json"))
    size = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    write_card(args.out, vae_facts, flow_facts, json.loads(args.scores.read_text()) if args.scores else None, size)
    for path in args.out.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    size = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    print(f"{args.out}: {size / 1e6:.2f} MB")
    if size > LIMIT_BYTES:
        raise SystemExit(f"more than {LIMIT_BYTES / 1e6:.0f} MB")
    FluxPipeline.from_pretrained(args.out)


if __name__ == "__main__":
    main()
