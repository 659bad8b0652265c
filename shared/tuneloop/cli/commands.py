"""The `tuneloop` command with all subcommands, including those that need AWS or the API."""

from tuneloop.cli import budget, chat, drops, keys, migrate, offline, providers, redrive, runs

cli = offline.new_cli()
cli.add_typer(keys.commands, name="keys")
cli.add_typer(providers.commands, name="providers")
cli.add_typer(runs.commands, name="runs")
cli.add_typer(drops.commands, name="drops")
cli.command("budget")(budget.budget)
cli.command("drop")(drops.drop)
cli.command("chat")(chat.chat)
offline.add_to(cli)
cli.command("migrate")(migrate.migrate)
cli.command("redrive")(redrive.redrive)
