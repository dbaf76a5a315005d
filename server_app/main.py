"""The server's door: Flower starts it once per run."""

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from server_app.run import Run

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Play one run with the nodes of a grid."""
    Run(grid, context.run_config).play()
