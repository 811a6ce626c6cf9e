"""`amphora completion`."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash:  amphora completion bash > ~/.local/share/bash-completion/completions/amphora
    zsh:   amphora completion zsh > "${fpath[1]}/_amphora"
    fish:  amphora completion fish > ~/.config/fish/completions/amphora.fish
    """
    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"there is no completion for {shell}")
    root = context.find_root().command
    click.echo(completion(root, {}, "amphora", "_AMPHORA_COMPLETE").source())
