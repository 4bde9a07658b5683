"""The fields of a manifest, what other tools call them, and which column becomes which."""
import dataclasses
import difflib
import re

from .notes import BadInput, Usage, quoted

TEXTS = ("prompt", "prompt_2", "negative_prompt", "negative_prompt_2", "scheduler")
WHOLE = ("num_images", "width", "height", "steps", "max_sequence_length")
NUMBERS = ("guidance_scale", "true_cfg_scale")
FIELDS = ("id", *TEXTS[:4], "seed", *WHOLE[:4], *NUMBERS, "max_sequence_length", "scheduler", "tags", "metadata")

# What a name of another tool means. `size` is width and height in one.
OTHER_NAMES = {
    "prompt": "caption text positive_prompt positive prompt_text",
    "prompt_2": "prompt2",
    "negative_prompt": "neg_prompt negative neg negative_caption negative_text uncond_prompt",
    "negative_prompt_2": "negative_prompt2 neg_prompt_2",
    "seed": "noise_seed random_seed rand_seed manual_seed",
    "num_images": "n num_images_per_prompt images_per_prompt num_outputs num_samples n_samples n_images batch_size batch_count n_iter",
    "width": "w image_width img_width",
    "height": "h image_height img_height",
    "size": "image_size resolution dimensions",
    "steps": "num_inference_steps num_steps inference_steps sampling_steps sample_steps n_steps ddim_steps",
    "guidance_scale": "guidance distilled_cfg_scale distilled_cfg embedded_guidance flux_guidance",
    "true_cfg_scale": "cfg_scale cfg true_cfg",
    "max_sequence_length": "max_seq_len max_seq_length",
    "tags": "keywords",
}
BY_NAME = {name: field for field, names in OTHER_NAMES.items() for name in (field, *names.split())}
BY_NAME.update({field: field for field in FIELDS})

MEANINGS = {
    "cfg_scale": "the weight of classifier-free guidance; a distilled model's own is guidance_scale: --map {0}=guidance_scale",
    "batch_size": "images of one prompt; --drop {0} if it is how many are made together",
    "size": "as WIDTHxHEIGHT",
}
MEANINGS["cfg"] = MEANINGS["cfg_scale"]
INDEX_COLUMNS = re.compile(r"|Unnamed: \d+|__index_level_\d+__")  # row numbers, as pandas writes them


@dataclasses.dataclass
class Plan:
    """Where each field comes from."""
    columns: dict = dataclasses.field(default_factory=dict)   # field, or size -> column
    metadata: list = dataclasses.field(default_factory=list)  # columns
    dropped: list = dataclasses.field(default_factory=list)   # columns, each with why
    why: dict = dataclasses.field(default_factory=dict)       # column -> why it is under metadata


def plain(name):
    """A name as fields are written: `Negative Prompt`, `negativePrompt` and `negative-prompt` are negative_prompt."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s\-]+", "_", spaced).lower()


def field_named(name, option):
    """The field (or size) that a name on the command line means."""
    if found := BY_NAME.get(plain(name)):
        return found
    near = difflib.get_close_matches(plain(name), BY_NAME, 1)
    raise Usage(f"{option}: {quoted(name)} is no field (a manifest has {', '.join(FIELDS)}) "
                + (f"did you mean {BY_NAME[near[0]]}?" if near else "name one of these"))


def column_named(name, columns, option):
    """A column by its name, or by one that is written another way."""
    if name in columns:
        return name
    alike = [column for column in columns if plain(column) == plain(name)]
    if len(alike) == 1:
        return alike[0]
    near = difflib.get_close_matches(name, columns, 1)
    raise BadInput(f"{option}: no column {quoted(name)} (there are {', '.join(map(quoted, columns))}) "
                   + (f"did you mean {quoted(near[0])}?" if near else "name one of these"))


def plan_columns(columns, maps, drops, given):
    """maps: {column: field}; drops: columns, or None for all that are no field; given: fields that --set and --grid fill."""
    plan = Plan()
    dropped = {column_named(name, columns, "--drop") for name in drops or ()}
    for name, field in maps.items():
        column = column_named(name, columns, "--map")
        if field != "metadata" and (field in plan.columns or field in given):
            raise Usage(f"--map: {field} is given twice (a field has one value) keep one of --map, --set and --grid for it")
        plan.columns.update({field: column} if field != "metadata" else {})
    mapped = {column_named(name, columns, "--map") for name in maps}
    free = [column for column in columns if column not in mapped | dropped]
    _take_named(free, plan, given)
    used = set(plan.columns.values())
    for column in columns:
        if column in used:
            continue
        if column in dropped:
            plan.dropped.append(quoted(column))
        elif INDEX_COLUMNS.fullmatch(column) and column not in mapped:
            plan.dropped.append(f"{quoted(column)} (numbers of rows)")
        elif drops is None and column not in mapped:
            plan.dropped.append(quoted(column))
        else:
            plan.metadata.append(column)
    return plan


def _take_named(columns, plan, given):
    """The field's own name before names of other tools; of two of these nobody can know which is meant."""
    meant = {}
    for column in columns:
        if field := BY_NAME.get(plain(column)):
            meant.setdefault(field, []).append(column)
    sides_are_there = {"width", "height"} & (set(meant) | set(plan.columns) | set(given))
    for field, found in meant.items():
        own = [column for column in found if plain(column) == field]
        if field in plan.columns or field in given or (field == "size" and sides_are_there):
            other = plan.columns.get(field, "--set or --grid") if field != "size" else "width and height"
            plan.why.update({column: f"{field} comes from {other}" for column in found if field != "metadata"})
            continue
        if len(own or found) > 1:
            names = " and ".join(map(quoted, own or found))
            raise BadInput(f"{field}: the columns {names} both mean it (one value is needed) choose: --map '{(own or found)[0]}={field}'")
        plan.columns[field] = (own or found)[0]
        plan.why.update({column: f"{field} comes from {quoted(own[0])}" for column in found if own and column != own[0]})
