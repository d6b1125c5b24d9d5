"""Executes a notebook with the Deno kernel and writes its outputs into it.

    execute.py NOTEBOOK...

Prints one line of JSON a notebook: its name and seconds, or what is wrong. Fails if a cell fails, or if one that
shows something shows nothing.
"""

import json
import re
import sys
import time
from pathlib import Path
from queue import Empty

import nbformat
from jupyter_client.utils import ensure_async
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, CellExecutionError

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
SHOWS = re.compile(r"\b(show\w*|console\.(log|table))\(")


class Client(NotebookClient):
    """Deno may report that it is idle before the last output of a cell: waits a little for what comes."""

    async def _async_poll_output_msg(self, parent_msg_id, cell, cell_index):
        await super()._async_poll_output_msg(parent_msg_id, cell, cell_index)
        while True:
            try:
                message = await ensure_async(self.kc.iopub_channel.get_msg(timeout=0.15))
            except Empty:
                return
            if message["parent_header"].get("msg_id") != parent_msg_id:
                continue
            try:
                self.process_message(message, cell, cell_index)
            except CellExecutionComplete:
                pass


def clean(text):
    return COLOURS.sub("", text)


def tidy(notebook):
    """Leaves nothing that differs from run to run."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = clean(output["text"])
            data = output.get("data", {})
            for kind in list(data):
                if kind.startswith("text/") and isinstance(data[kind], str):
                    data[kind] = clean(data[kind])
    notebook.metadata.pop("widgets", None)


def merge_streams(cell):
    """One output for what a cell prints, in however many pieces it came."""
    merged = []
    for output in cell.outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last["text"] += output["text"]
        else:
            merged.append(output)
    cell.outputs = merged


def execute(path):
    notebook = nbformat.read(path, as_version=4)
    before = [len(cell.get("outputs", [])) for cell in notebook.cells]
    client = Client(
        notebook,
        timeout=600,
        kernel_name="deno",
        resources={"metadata": {"path": str(path.parent)}},
    )
    start = time.monotonic()
    client.execute()
    seconds = time.monotonic() - start
    lost = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        merge_streams(cell)
        if len(cell.outputs) < max(before[index], 1 if SHOWS.search(cell.source) else 0):
            lost.append(index)
    if lost:
        raise RuntimeError(f"no output, or less than before, of the cells {lost} (the first is 0)")
    tidy(notebook)
    text = nbformat.writes(notebook, version=4)
    part = path.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf8")
    part.replace(path)
    return seconds


def main(names):
    failed = False
    for name in names:
        path = Path(name)
        try:
            result = {"name": path.stem, "seconds": round(execute(path), 1)}
        except CellExecutionError as error:
            failed, result = True, {"name": path.stem, "error": clean(str(error))}
        except Exception as error:  # what the kernel's start and files may raise
            failed, result = True, {"name": path.stem, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
