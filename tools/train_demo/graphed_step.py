"""Training steps as CUDA graphs: a small model's step is short, and launched kernel by kernel most of it
would be waiting for the host."""
import torch


class Graphs:
    """What the graphs of one program share: whether they are used, and their memory, for only one runs at a time."""

    def __init__(self, device):
        self.enabled, self.pool = device.type == "cuda", None


class GraphedStep:
    """Runs `step()`, which reads tensors that stay in their place; on a GPU, after two plain runs, as a graph."""

    PLAIN_STEPS = 2  # they compile, choose algorithms, and make the optimizer's state

    def __init__(self, graphs, step):
        self.graphs, self.step = graphs, step
        self.graph, self.plain_steps = None, 0

    def __call__(self):
        if self.graph is None and self.graphs.enabled and self.plain_steps >= self.PLAIN_STEPS:
            self._capture()
        if self.graph is not None:
            self.graph.replay()
        elif self.graphs.enabled:
            self.plain_steps += 1
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self.step()
            torch.cuda.current_stream().wait_stream(side)
        else:
            self.step()

    def _capture(self):
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self.graphs.pool, capture_error_mode="thread_local"):
                self.step()
        except Exception as error:  # slower, but as good
            print(f"training without graphs ({type(error).__name__}: {str(error)[:500]})", flush=True)
            self.graphs.enabled = False
            return
        self.graph, self.graphs.pool = graph, graph.pool()
