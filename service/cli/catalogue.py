"""`testonce catalogue`: the items that can be recognised."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.console import open_console

app = typer.Typer(help="Show and change what can be recognised.", no_args_is_help=True)


@app.command()
def show(
    item: Annotated[str | None, typer.Argument(metavar="[ITEM]", help="An item or panel id, or LOINC code.")] = None,
) -> None:
    """Show all items, or one with its codes, window and unit."""
    from rich.table import Table

    from service.cli.reference_text import catalogue_for_checks
    from service.domain.codes import LOINC
    from service.domain.errors import NotFound
    from service.settings import load_settings

    catalogue = catalogue_for_checks(load_settings())
    console = open_console(highlight=True)
    if item is None:
        table = Table("item", "kind", "名称", "name", "unit", "window", box=None, pad_edge=False)
        for panel in catalogue.panels.values():
            table.add_row(panel.id, "panel", panel.name_zh, panel.name_en, "", f"{len(panel.required)} items")
        for one in catalogue.items.values():
            table.add_row(one.id, one.kind, one.name_zh, one.name_en, one.unit, one.window.text)
        console.print(table)
        console.print(f"catalogue {catalogue.version}: {len(catalogue.items)} items, {len(catalogue.panels)} panels")
        return
    known = item if item in catalogue.items else catalogue.find_id(LOINC, item) or item
    found = catalogue.items.get(known) or catalogue.panels.get(known)
    if found is None:
        raise NotFound(f"the catalogue has no item or panel {item!r}; see: testonce catalogue show")
    table = Table(show_header=False, box=None, pad_edge=False)
    for name in found.__dataclass_fields__:
        value = getattr(found, name)
        if name == "codes":
            value = "\n".join(f"{code.system}|{code.code} ({code.relation})" for code in value)
        elif name == "window":
            value = value.text
        elif isinstance(value, tuple):
            value = " ".join(value)
        if value not in (None, ""):
            table.add_row(name, str(value))
    console.print(table)


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="A CSV file of items, panels, codes or regions.")],
    no_reread: Annotated[
        bool, typer.Option("--no-reread", help="Leave stored reports as they are; see: testonce catalogue reread")
    ] = False,
) -> None:
    """Add or replace items, panels, codes or regions: all or nothing. Then index stored reports again under them."""
    import msgspec

    from service.audit.events import Action
    from service.audit.log import AuditEntry
    from service.bootstrap import open_parts
    from service.cli.local import local_caller
    from service.cli.reference_text import read_text
    from service.cli.reread import reread_stored
    from service.decisions.stored import current_files
    from service.reference.catalogue_file import merge_catalogue, read_catalogue
    from service.reference.network_file import read_network
    from service.registry import reference_store
    from service.settings import load_settings

    text = read_text(file)
    parts = open_parts(load_settings())
    try:
        with parts.database.write() as conn:
            files = merge_catalogue(current_files(conn), text, file.name)
            catalogue = read_catalogue(files)
            network = reference_store.current(conn, "network")
            if network is not None:
                read_network(network[1], catalogue, "the network in force")  # it must still fit
            stored = msgspec.json.encode(dict(files)).decode()
            is_new = reference_store.save(conn, "catalogue", catalogue.version, stored)
            if is_new:
                detail = {"items": len(catalogue.items), "panels": len(catalogue.panels)}
                at, subject = parts.database.now_us(), f"Catalogue/{catalogue.version}"
                parts.audit.append(conn, AuditEntry.by(local_caller(), at, Action.CATALOGUE_LOADED, subject, detail))
        state = "loaded" if is_new else "unchanged"
        typer.echo(
            f"catalogue {state}: {len(catalogue.items)} items, {len(catalogue.panels)} panels "
            f"(version {catalogue.version})"
        )
        if network is None or not is_new:
            return
        if no_reread:
            typer.echo("stored reports keep what was known before until you run: testonce catalogue reread")
        else:
            reread_stored(parts)
    finally:
        parts.close()


@app.command()
def reread(
    institution: Annotated[str | None, typer.Option(help="Only this institution's; all when none is named.")] = None,
) -> None:
    """Index stored reports again under the catalogue in force; what has not changed stays as it is."""
    from service.bootstrap import open_parts
    from service.cli.reread import reread_stored
    from service.settings import load_settings

    parts = open_parts(load_settings())
    try:
        reread_stored(parts, institution)
    finally:
        parts.close()
