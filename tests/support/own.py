"""Functions of a user's own that go wrong, each with the line that refuses it.

In a line `*` stands for words of a library, or of the machine.
"""

# ruff: noqa: E501

from __future__ import annotations

HEAD = """\
import functools, os, sys
import numpy as np
import torch
from torch import nn
X = np.random.default_rng(0).normal(size=(24, 5))
y = np.arange(24) % 3
"""

# model.source: python:own:make
NETWORKS: dict[str, tuple[str, str]] = {
    "raises": (
        "def make(n_features, n_outputs):\n    raise ValueError('no network')",
        "model.source: the function must not fail, got ValueError: no network at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "many_lines": (
        "def make(n_features, n_outputs):\n    raise ValueError('first\\nsecond')",
        "model.source: the function must not fail, got ValueError: first at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "huge_message": (
        "def make(n_features, n_outputs):\n    raise ValueError('x' * 10**6)",
        "model.source: the function must not fail, got ValueError: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "control_letters": (
        "def make(n_features, n_outputs):\n    raise ValueError('\\x1b[31mred\\x00')",
        "model.source: the function must not fail, got ValueError: ?[31mred? at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "exits": (
        "def make(n_features, n_outputs):\n    sys.exit('bye')",
        "model.source: the function must not fail, got SystemExit: bye at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "exits_with_a_number": (
        "def make(n_features, n_outputs):\n    raise SystemExit(7)",
        "model.source: the function must not fail, got SystemExit: 7 at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "interrupts": (
        "def make(n_features, n_outputs):\n    raise KeyboardInterrupt",
        "model.source: the function must not fail, got KeyboardInterrupt at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "generator_exit": (
        "def make(n_features, n_outputs):\n    raise GeneratorExit",
        "model.source: the function must not fail, got GeneratorExit at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "stop_iteration": (
        "def make(n_features, n_outputs):\n    raise StopIteration",
        "model.source: the function must not fail, got StopIteration at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "base_exception": (
        "def make(n_features, n_outputs):\n    class Own(BaseException): pass\n    raise Own('mine')",
        "model.source: the function must not fail, got Own: mine at line 9 of {folder}/own.py (python:own:make). Mend it",
    ),
    "group": (
        "def make(n_features, n_outputs):\n    raise BaseExceptionGroup('two', [KeyboardInterrupt(), SystemExit()])",
        "model.source: the function must not fail, got BaseExceptionGroup: two (2 sub-exceptions) at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "str_raises": (
        "def make(n_features, n_outputs):\n    class Own(Exception):\n        def __str__(self): raise SystemExit\n    raise Own",
        "model.source: the function must not fail, got Own: an error that cannot be shown at line 10 of {folder}/own.py (python:own:make). Mend it",
    ),
    "str_is_no_text": (
        "def make(n_features, n_outputs):\n    class Own(Exception):\n        def __str__(self): return 3\n    raise Own",
        "model.source: the function must not fail, got Own: an error that cannot be shown at line 10 of {folder}/own.py (python:own:make). Mend it",
    ),
    "repr_raises": (
        "def make(n_features, n_outputs):\n    class Own(Exception):\n        def __repr__(self): raise SystemExit\n    raise Own(1)",
        "model.source: the function must not fail, got Own: 1 at line 10 of {folder}/own.py (python:own:make). Mend it",
    ),
    "no_class_name": (
        "def make(n_features, n_outputs):\n    class Meta(type):\n        @property\n        def __name__(cls): raise SystemExit\n    class Own(Exception, metaclass=Meta): pass\n    raise Own('mine')",
        "model.source: the function must not fail, got Own: mine at line 12 of {folder}/own.py (python:own:make). Mend it",
    ),
    "usage_error": (
        "def make(n_features, n_outputs):\n    from sweep.errors import UsageError\n    raise UsageError('a\\nb')",
        "model.source: the function must not fail, got UsageError: a at line 9 of {folder}/own.py (python:own:make). Mend it",
    ),
    "recursion": (
        "def make(n_features, n_outputs):\n    return make(n_features, n_outputs)",
        "model.source: the function must not fail, got RecursionError: maximum recursion depth exceeded* at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "memory_error": (
        "def make(n_features, n_outputs):\n    raise MemoryError",
        "model.source: the function must not fail, got MemoryError at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "assertion": (
        "def make(n_features, n_outputs):\n    assert False",
        "model.source: the function must not fail, got AssertionError at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "no_file": (
        "def make(n_features, n_outputs):\n    open('/no/such/file')",
        "model.source: the function must not fail, got FileNotFoundError: [Errno 2] No such file or directory: '/no/such/file' at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "os_exit_of_a_child": (
        "def make(n_features, n_outputs):\n    pid = os.fork()\n    if not pid: os._exit(3)\n    os.waitpid(pid, 0)",
        "model.source: the network must be a torch.nn.Module, got None (python:own:make). Return the module itself",
    ),
    "none_but_wrong": (
        "def make(): return nn.Linear(3, 3)",
        "model: must accept rows of shape (5,) on device cpu, got RuntimeError: * (python:own:make). Mend forward()",
    ),
    "one_of_another_name": (
        "def make(hidden): return nn.Linear(5, 3)",
        "model.source: the function must take (n_features, n_outputs), got (hidden) (python:own:make). Change what it takes, or give the rest defaults",
    ),
    "three": (
        "def make(a, b, c): return nn.Linear(5, 3)",
        "model.source: the function must take (n_features, n_outputs), got (a, b, c) (python:own:make). Change what it takes, or give the rest defaults",
    ),
    "keyword_only": (
        "def make(*, width): return nn.Linear(5, 3)",
        "model.source: the function must take (n_features, n_outputs), got (*, width) (python:own:make). Change what it takes, or give the rest defaults",
    ),
    "signature_raises": (
        "class Make:\n    @property\n    def __signature__(self): raise SystemExit\n    def __call__(self, a, b): return nn.Linear(a, b)\nmake = Make()",
        "model.source: the function must take (n_features, n_outputs), got SystemExit (python:own:make). Change what it takes, or give the rest defaults",
    ),
    "none": (
        "def make(n_features, n_outputs):\n    pass",
        "model.source: the network must be a torch.nn.Module, got None (python:own:make). Return the module itself",
    ),
    "class": (
        "def make(n_features, n_outputs):\n    return nn.Linear",
        "model.source: the network must be a torch.nn.Module, got the class Linear (python:own:make). Return the module itself",
    ),
    "number": (
        "def make(n_features, n_outputs):\n    return 3",
        "model.source: the network must be a torch.nn.Module, got int (python:own:make). Return the module itself",
    ),
    "tensor": (
        "def make(n_features, n_outputs):\n    return torch.zeros(3)",
        "model.source: the network must be a torch.nn.Module, got Tensor (python:own:make). Return the module itself",
    ),
    "list": (
        "def make(n_features, n_outputs):\n    return [nn.Linear(5, 3)]",
        "model.source: the network must be a torch.nn.Module, got list (python:own:make). Return the module itself",
    ),
    "function": (
        "def make(n_features, n_outputs):\n    return lambda x: x",
        "model.source: the network must be a torch.nn.Module, got function (python:own:make). Return the module itself",
    ),
    "generator": (
        "def make(n_features, n_outputs):\n    yield nn.Linear(5, 3)",
        "model.source: the network must be a torch.nn.Module, got generator (python:own:make). Return the module itself",
    ),
    "coroutine": (
        "async def make(n_features, n_outputs): return nn.Linear(5, 3)",
        "model.source: the network must be a torch.nn.Module, got coroutine (python:own:make). Return the module itself",
    ),
    "module_without_init": (
        "def make(n_features, n_outputs):\n    class Net(nn.Module):\n        def __init__(self): pass\n    return Net()",
        "model.source: the network must be readable, got AttributeError: * (python:own:make). Mend the function",
    ),
    "meta": (
        "def make(n_features, n_outputs):\n    return nn.Linear(5, 3, device='meta')",
        "model.source: the network must be of real tensors, got weight on meta (python:own:make). Make it on the CPU",
    ),
    "meta_buffer": (
        "def make(n_features, n_outputs):\n    net = nn.BatchNorm1d(5)\n    net.running_mean = net.running_mean.to('meta')\n    return nn.Sequential(net, nn.Linear(5, 3))",
        "model.source: the network must be of real tensors, got 0.running_mean on meta (python:own:make). Make it on the CPU",
    ),
    "lazy_unused": (
        "def make(n_features, n_outputs):\n    net = nn.Linear(5, 3)\n    net.other = nn.LazyLinear(3)\n    return net",
        "model.source: the network must be whole after four rows, got lazy other.weight (python:own:make). Use every lazy layer in forward(), or give it its sizes",
    ),
    "lazy_that_fails": (
        "def make(n_features, n_outputs):\n    return nn.Sequential(nn.LazyConv1d(3, 9), nn.Flatten())",
        "model.source: the network must be made by rows of shape (5,), got RuntimeError: * (python:own:make). Mend forward()",
    ),
    "float64": (
        "def make(n_features, n_outputs):\n    return nn.Linear(5, 3).double()",
        "model.source: the network must be of float32, got float64 weight (python:own:make). Call .float() on it",
    ),
    "half": (
        "def make(n_features, n_outputs):\n    return nn.Linear(5, 3).half()",
        "model.source: the network must be of float32, got float16 weight (python:own:make). Call .float() on it",
    ),
    "bfloat16": (
        "def make(n_features, n_outputs):\n    return nn.Linear(5, 3).bfloat16()",
        "model.source: the network must be of float32, got bfloat16 weight (python:own:make). Call .float() on it",
    ),
    "complex": (
        "def make(n_features, n_outputs):\n    return nn.Linear(5, 3, dtype=torch.complex64)",
        "model.source: the network must be of float32, got complex64 weight (python:own:make). Call .float() on it",
    ),
    "sparse": (
        "def make(n_features, n_outputs):\n    net = nn.Linear(5, 3)\n    net.weight = nn.Parameter(net.weight.detach().to_sparse())\n    return net",
        "model.source: the network must be of dense tensors, got torch.sparse_coo weight (python:own:make). Use to_dense()",
    ),
    "fake": (
        "def make(n_features, n_outputs):\n    from torch._subclasses.fake_tensor import FakeTensorMode\n    with FakeTensorMode(): return nn.Linear(5, 3)",
        "model: must be a network to train, got RuntimeError: * (python:own:make). Mend it",
    ),
    "scripted": (
        "def make(n_features, n_outputs):\n    return torch.jit.script(nn.Linear(5, 3))",
        "model.source: the network must be a plain torch.nn.Module, got RecursiveScriptModule of torch.jit (python:own:make). Leave torch.jit out",
    ),
    "scripted_part": (
        "def make(n_features, n_outputs):\n    return nn.Sequential(torch.jit.script(nn.Linear(5, 3)))",
        "model.source: the network must be a plain torch.nn.Module, got RecursiveScriptModule of torch.jit (python:own:make). Leave torch.jit out",
    ),
    "compiled": (
        "def make(n_features, n_outputs):\n    return torch.compile(nn.Linear(5, 3))",
        "model.source: the network must be a plain torch.nn.Module, got OptimizedModule of torch.compile (python:own:make). Leave torch.compile out, and set training.compile: true instead",
    ),
    "compiled_part": (
        "def make(n_features, n_outputs):\n    return nn.Sequential(torch.compile(nn.Linear(5, 3)))",
        "model.source: the network must be a plain torch.nn.Module, got OptimizedModule of torch.compile (python:own:make). Leave torch.compile out, and set training.compile: true instead",
    ),
    "compiled_in_place": (
        "def make(n_features, n_outputs):\n    net = nn.Linear(5, 3)\n    net.compile()\n    return net",
        "model.source: the network must be a plain torch.nn.Module, got Linear of torch.compile (python:own:make). Leave torch.compile out, and set training.compile: true instead",
    ),
    "compiled_forward": (
        "class Net(nn.Linear):\n    @torch.compile\n    def forward(self, x): return super().forward(x)\ndef make(n_features, n_outputs): return Net(5, 3)",
        "model.source: the network must be a plain torch.nn.Module, got Net of torch.compile (python:own:make). Leave torch.compile out, and set training.compile: true instead",
    ),
    "ring": (
        "def make(n_features, n_outputs):\n    net = nn.Sequential(nn.Linear(5, 3))\n    net.ring = net\n    return net",
        "model: must be a network to train, got RecursionError: maximum recursion depth exceeded* (python:own:make). Mend it",
    ),
    "frozen": (
        "def make(n_features, n_outputs):\n    return nn.Linear(5, 3).requires_grad_(False)",
        "model: must have trainable parameters, got none (python:own:make). Leave requires_grad=True on some",
    ),
    "no_weights": (
        "def make(n_features, n_outputs):\n    return nn.Identity()",
        "model: must have trainable parameters, got none (python:own:make). Leave requires_grad=True on some",
    ),
    "wide": (
        "def make(n_features, n_outputs):\n    return nn.Linear(5, 4)",
        "model output: must be (rows, 3), got (4, 4) for 4 rows (python:own:make). Give the last layer 3 outputs",
    ),
    "huge": (
        "def make(n_features, n_outputs):\n    return nn.Linear(10**9, 10**9)",
        "model.source: the network must be at most a 10th of the * of memory here, got 4,000,000,000.0 GB (python:own:make). Make it smaller",
    ),
    "huge_last": (
        "def make(n_features, n_outputs):\n    return nn.Sequential(nn.Linear(5, 10**6), nn.Linear(10**6, 10**6))",
        "model.source: the network must be at most a 10th of the * of memory here, got 4,000.0 GB (python:own:make). Make it smaller",
    ),
    "huge_many": (
        "def make(n_features, n_outputs):\n    return nn.Sequential(*[nn.Linear(20000, 20000) for _ in range(10**6)])",
        "model.source: the network must be at most a 10th of the * of memory here, got 3.2 GB (python:own:make). Make it smaller",
    ),
    "huge_in_sum": (
        "def make(n_features, n_outputs):\n    return nn.Sequential(nn.Linear(5, 10**8), nn.Linear(10**8, 3))",
        "model.source: the network must be at most a 10th of the * of memory here, got 3.6 GB (python:own:make). Make it smaller",
    ),
    "endless_size": (
        "def make(n_features, n_outputs):\n    return nn.Linear(10**30, 3)",
        "model.source: the function must not fail, got TypeError: * at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "changing": (
        "make.n = getattr(make, 'n', 3) + 1\n    return nn.Sequential(nn.Linear(5, make.n), nn.Linear(make.n, 3))",
        "model.source: module own must import, got IndentationError: unexpected indent at line 8 of {folder}/own.py (python:own:make). Mend the module",
    ),
    "fails_the_third_time": (
        "make.n = getattr(make, 'n', 0) + 1\n    assert make.n < 3\n    return nn.Linear(5, 3)",
        "model.source: module own must import, got IndentationError: unexpected indent at line 8 of {folder}/own.py (python:own:make). Mend the module",
    ),
    "forward_missing": (
        "def make(n_features, n_outputs):\n    class Net(nn.Module):\n        def __init__(self):\n            super().__init__()\n            self.a = nn.Linear(5, 3)\n    return Net()",
        "model: must accept rows of shape (5,) on device cpu, got NotImplementedError: * (python:own:make). Mend forward()",
    ),
    "forward_exits": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def forward(self, x): sys.exit(3)\n    return Net(5, 3)",
        "model: must accept rows of shape (5,) on device cpu, got SystemExit: 3 (python:own:make). Mend forward()",
    ),
    "forward_interrupts": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def forward(self, x): raise KeyboardInterrupt\n    return Net(5, 3)",
        "model: must accept rows of shape (5,) on device cpu, got KeyboardInterrupt (python:own:make). Mend forward()",
    ),
    "forward_none": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def forward(self, x): pass\n    return Net(5, 3)",
        "model output: must be one tensor, got NoneType (python:own:make). Mend forward()",
    ),
    "forward_empty_tuple": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def forward(self, x): return ()\n    return Net(5, 3)",
        "model output: must be one tensor, got tuple (python:own:make). Mend forward()",
    ),
    "forward_dict": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def forward(self, x): return {'logits': super().forward(x), 'x': x}\n    return Net(5, 3)",
        "model.output: must name what forward() returns, got none (python:own:make). Use one of logits, x",
    ),
    "forward_detached": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def forward(self, x): return super().forward(x).detach()\n    return Net(5, 3)",
        "model: must be batchable by torch.vmap, got RuntimeError: * (python:own:make). Change that line of forward(), or train one lane at a time with --set training.fused=false",
    ),
    "forward_of_numpy": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def forward(self, x): return super().forward(x) * np.random.rand()\n    return Net(5, 3)",
        "model: must give the same outputs for the same rows and tensors, got others the second time (python:own:make). Draw with torch instead of numpy or random, and keep what changes in buffers",
    ),
    "forward_of_another_buffer": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def __init__(self):\n            super().__init__(5, 3)\n            self.register_buffer('n', torch.zeros(()))\n        def forward(self, x):\n            self.n = self.n + 1\n            return super().forward(x)\n    return Net()",
        "model: must change its buffers in place, got another tensor as n (python:own:make). Write self.n.copy_(…)",
    ),
    "forward_max_norm": (
        "def make(n_features, n_outputs):\n    class Net(nn.Module):\n        def __init__(self):\n            super().__init__()\n            self.e = nn.Embedding(9, 3, max_norm=1.0)\n        def forward(self, x): return self.e(x[:, 0].long().clamp(0, 8))\n    return Net()",
        "model: must not change its weights in forward(), got an embedding with max_norm. Leave max_norm out: the penalty keeps the weights small",
    ),
    "forward_of_a_generator": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def forward(self, x): return super().forward(x) + torch.rand(3, generator=torch.Generator())\n    return Net(5, 3)",
        "model: must draw in forward() without a generator, whose state is not a lane's, got generator=. Leave it out: the draws follow from seed, replicate and step",
    ),
    "forward_only_trains": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def forward(self, x):\n            assert not self.training\n            return super().forward(x)\n    return Net(5, 3)",
        "model: must be batchable by torch.vmap, got AssertionError (python:own:make). Change that line of forward(), or train one lane at a time with --set training.fused=false",
    ),
    "forward_of_rows": (
        "def make(n_features, n_outputs):\n    class Net(nn.Linear):\n        def forward(self, x): return super().forward(x)[:2]\n    return Net(5, 3)",
        "model output: must be (rows, 3), got (2, 3) for 4 rows (python:own:make). Return one for every row: layers of sequences need batch_first=True",
    ),
    "sys_exit": (
        "make = sys.exit",
        "model.source: must be a function of your own, got one of Python's standard library, sys (python:own:make). Write it in a module beside the study file",
    ),
    "breakpoint": (
        "make = breakpoint",
        "model.source: must be a function of your own, got one of Python's standard library, builtins (python:own:make). Write it in a module beside the study file",
    ),
    "partial_of_abort": (
        "make = functools.partial(os.abort)",
        "model.source: must be a function of your own, got one of Python's standard library, posix (python:own:make). Write it in a module beside the study file",
    ),
    "method_of_a_text": (
        "make = ''.join",
        "model.source: must be a function of your own, got one of Python's standard library, builtins (python:own:make). Write it in a module beside the study file",
    ),
    "torch_function": (
        "make = torch.zeros",
        "model.source: the network must be a torch.nn.Module, got Tensor (python:own:make). Return the module itself",
    ),
    "no_function": (
        "make = 3",
        "model.source: must name a function of {folder}/own.py, got int called 'make' (python:own:make). Valid: none",
    ),
    "import_exits": (
        "sys.exit(4)",
        "model.source: module own must import, got SystemExit: 4 at line 7 of {folder}/own.py (python:own:make). Mend the module",
    ),
    "import_interrupts": (
        "raise KeyboardInterrupt",
        "model.source: module own must import, got KeyboardInterrupt at line 7 of {folder}/own.py (python:own:make). Mend the module",
    ),
    "import_generator_exit": (
        "raise GeneratorExit",
        "model.source: module own must import, got GeneratorExit at line 7 of {folder}/own.py (python:own:make). Mend the module",
    ),
    "import_syntax": (
        "def make(:",
        "model.source: module own must import, got SyntaxError: invalid syntax at line 7 of {folder}/own.py (python:own:make). Mend the module",
    ),
    "import_null": (
        "\x00",
        "model.source: module own must import, got SyntaxError: * (python:own:make). Mend the module",
    ),
    "import_circular": (
        "import own",
        "model.source: module own must import, got ModuleNotFoundError: No module named 'own' at line 7 of {folder}/own.py (python:own:make). Mend the module",
    ),
    "import_star": (
        "from nowhere import *",
        "model.source: module own must import, got ModuleNotFoundError: No module named 'nowhere' at line 7 of {folder}/own.py (python:own:make). Mend the module",
    ),
    "getattr_raises": (
        "def __getattr__(name): raise SystemExit",
        "model.source: must name a function, got SystemExit at line 7 of {folder}/own.py (python:own:make). Mend the module",
    ),
}

# data.source: python:own:make
ROWS: dict[str, tuple[str, str]] = {
    "raises": (
        "def make():\n    raise ValueError('no rows')",
        "data.source: the function must not fail, got ValueError: no rows at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "exits": (
        "def make():\n    os.sys.exit()",
        "data.source: the function must not fail, got SystemExit at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "interrupts": (
        "def make():\n    raise KeyboardInterrupt",
        "data.source: the function must not fail, got KeyboardInterrupt at line 8 of {folder}/own.py (python:own:make). Mend it",
    ),
    "str_raises": (
        "def make():\n    class Own(BaseException):\n        def __str__(self): raise Own\n    raise Own",
        "data.source: the function must not fail, got Own: an error that cannot be shown at line 10 of {folder}/own.py (python:own:make). Mend it",
    ),
    "needs_a_path": (
        "def make(path): return X, y",
        "data.source: the function must take no arguments, got (path) (python:own:make). Change what it takes, or give the rest defaults",
    ),
    "needs_a_keyword": (
        "def make(*, seed): return X, y",
        "data.source: the function must take no arguments, got (*, seed) (python:own:make). Change what it takes, or give the rest defaults",
    ),
    "none": (
        "def make():\n    pass",
        "data.source: the function must return (X, y) or a dict of them, got NoneType (python:own:make). Return (X, y)",
    ),
    "class": (
        "def make():\n    return nn.Linear",
        "data.source: the function must return (X, y) or a dict of them, got type (python:own:make). Return (X, y)",
    ),
    "three": (
        "def make():\n    return X, y, 3",
        "data.source: the function must return (X, y) or a dict of them, got tuple of 3 (python:own:make). Return (X, y)",
    ),
    "generator": (
        "def make():\n    yield X, y",
        "data.source: the function must return (X, y) or a dict of them, got generator (python:own:make). Return (X, y)",
    ),
    "coroutine": (
        "async def make(): return X, y",
        "data.source: the function must return (X, y) or a dict of them, got coroutine (python:own:make). Return (X, y)",
    ),
    "unknown_key": (
        "def make():\n    return {'X': X, 'y': y, 'z': 1}",
        "data.source: must hold X, y and the like, got 'z' (python:own:make). Valid: X, y, groups, weight, X_test, y_test, weight_test",
    ),
    "key_of_no_text": (
        "def make():\n    return {'X': X, 'y': y, 3: 1}",
        "data.source: must hold X, y and the like, got 3 (python:own:make). Valid: X, y, groups, weight, X_test, y_test, weight_test",
    ),
    "no_y": (
        "def make():\n    return {'X': X}",
        "data.source: must hold X and y, got X (python:own:make). Add y",
    ),
    "dict_that_fails": (
        "def make():\n    class Own(dict):\n        def get(self, *_): raise SystemExit(5)\n    return Own(X=X, y=y)",
        "data.source: the function must return rows that can be read, got SystemExit: 5 (python:own:make). Return arrays of numbers",
    ),
    "x_of_no_numbers": (
        "def make():\n    return object(), y",
        "data.source: X must have rows and features, got shape () (python:own:make). Give it the shape (rows, features)",
    ),
    "x_endless": (
        "def make():\n    return iter(int, 1), y",
        "data.source: X must have rows and features, got shape () (python:own:make). Give it the shape (rows, features)",
    ),
    "x_none": (
        "def make():\n    return None, y",
        "data.source: X must have rows and features, got shape () (python:own:make). Give it the shape (rows, features)",
    ),
    "x_ragged": (
        "def make():\n    return [[1, 2], [3]], [0, 1]",
        "data.source: X must be an array, got ValueError: * (python:own:make). Give its rows one shape",
    ),
    "x_empty": (
        "def make():\n    return [], []",
        "data.source: X must have rows and features, got shape (0,) (python:own:make). Give it the shape (rows, features)",
    ),
    "x_meta": (
        "def make():\n    return torch.zeros(24, 5, device='meta'), y",
        "data.source: X must be an array, got NotImplementedError: * (python:own:make). Give its rows one shape",
    ),
    "x_sparse": (
        "def make():\n    return torch.zeros(24, 5).to_sparse(), y",
        "data.source: X must be an array, got TypeError: * (python:own:make). Give its rows one shape",
    ),
    "x_complex": (
        "def make():\n    return X * 1j, y",
        "data.source: X must be numbers, got 0.1257302210933933j in row 0, feature 0 (python:own:make). Mend or drop it",
    ),
    "x_nan": (
        "def make():\n    return X * np.nan, y",
        "data.source: X must be finite and below 1e30, got nan in row 0, feature 0 (python:own:make). Mend or drop it",
    ),
    "x_repeats": (
        "def make():\n    return np.broadcast_to(np.float32(0), (10**7, 10**7)), y",
        "data.source: X must fit in memory, got shape (10000000, 10000000) (python:own:make). Give fewer rows",
    ),
    "x_array_exits": (
        "def make():\n    class Own:\n        def __array__(self, *_, **__): sys.exit(9)\n    return Own(), y",
        "data.source: the function must return rows that can be read, got SystemExit: 9 (python:own:make). Return arrays of numbers",
    ),
    "x_len_lies": (
        "def make():\n    class Own:\n        def __len__(self): return -1\n        def __getitem__(self, i): raise IndexError\n    return Own(), y",
        "data.source: X must have rows and features, got shape () (python:own:make). Give it the shape (rows, features)",
    ),
    "x_cells_raise": (
        "def make():\n    class Own:\n        def __repr__(self): raise KeyboardInterrupt\n    return [[Own()]] * 24, y",
        "data.source: the function must return rows that can be read, got KeyboardInterrupt (python:own:make). Return arrays of numbers",
    ),
    "x_module": (
        "def make():\n    return nn.Linear(5, 3), y",
        "data.source: X must have rows and features, got shape () (python:own:make). Give it the shape (rows, features)",
    ),
    "y_cells_raise": (
        "def make():\n    class Own:\n        def __str__(self): raise SystemExit\n    return X, [Own() for _ in y]",
        "data.source: the function must return rows that can be read, got SystemExit (python:own:make). Return arrays of numbers",
    ),
    "y_of_another_length": (
        "def make():\n    return X, y[:3]",
        "data.source: X and y must have equally many rows, got 24 and 3 (python:own:make). Mend it",
    ),
    "y_function": (
        "def make():\n    return X, len",
        "data.source: y must be one value a row, got shape () (python:own:make). Give it the shape (rows,)",
    ),
    "y_meta": (
        "def make():\n    return X, torch.zeros(24, device='meta')",
        "data.source: y must be an array, got NotImplementedError: * (python:own:make). Give its rows one shape",
    ),
    "names_too_few": (
        "def make():\n    return {'X': X, 'y': y, 'names': ['a']}",
        "data.source: must hold X, y and the like, got 'names' (python:own:make). Valid: X, y, groups, weight, X_test, y_test, weight_test",
    ),
    "groups_fail": (
        "def make():\n    class Own:\n        def __array__(self, *_, **__): raise GeneratorExit\n    return {'X': X, 'y': y, 'groups': Own()}",
        "data.source: the function must return rows that can be read, got GeneratorExit (python:own:make). Return arrays of numbers",
    ),
    "os_exit": (
        "make = os._exit",
        "data.source: must be a function of your own, got one of Python's standard library, posix (python:own:make). Write it in a module beside the study file",
    ),
    "abort": (
        "make = os.abort",
        "data.source: must be a function of your own, got one of Python's standard library, posix (python:own:make). Write it in a module beside the study file",
    ),
    "print": (
        "make = print",
        "data.source: must be a function of your own, got one of Python's standard library, builtins (python:own:make). Write it in a module beside the study file",
    ),
    "dict": (
        "make = dict",
        "data.source: must be a function of your own, got one of Python's standard library, builtins (python:own:make). Write it in a module beside the study file",
    ),
    "itself": (
        "import sweep\nmake = sweep.load_spec",
        "data.source: must be a function of your own, got one of sweep itself, sweep.spec.files (python:own:make). Write it in a module beside the study file",
    ),
}

# data.source itself
SOURCES: dict[str, tuple[str, str]] = {
    "sys:exit": (
        "python:sys:exit",
        "data.source: must be a function of your own, got one of Python's standard library, sys (python:sys:exit). Write it in a module beside the study file",
    ),
    "os:abort": (
        "python:os:abort",
        "data.source: must be a function of your own, got one of Python's standard library, os (python:os:abort). Write it in a module beside the study file",
    ),
    "builtins": (
        "python:builtins:breakpoint",
        "data.source: must be a function of your own, got one of Python's standard library, builtins (python:builtins:breakpoint). Write it in a module beside the study file",
    ),
    "idlelib": (
        "python:this:c",
        "data.source: must be a function of your own, got one of Python's standard library, this (python:this:c). Write it in a module beside the study file",
    ),
    "dots": (
        "python:..:f",
        "data.source: must be python:module:function, got 'python:..:f'. Try python:my_module:my_function",
    ),
    "no_name": (
        "python::f",
        "data.source: must be python:module:function, got 'python::f'. Try python:my_module:my_function",
    ),
    "no_function": (
        "python:own:",
        "data.source: must be python:module:function, got 'python:own:'. Try python:my_module:my_function",
    ),
    "four": (
        "python:own:f:g",
        "data.source: must be python:module:function, got 'python:own:f:g'. Try python:my_module:my_function",
    ),
    "long": (
        "python:" + "a" * 10_000 + ":f",
        "data.source: must be python:module:function, got 'python:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa… of 10009 letters. Try python:my_module:my_function",
    ),
    "long_function": (
        "python:own:" + "f" * 5_000,
        "data.source: must be python:module:function, got 'python:own:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff… of 5011 letters. Try python:my_module:my_function",
    ),
    "newline": (
        "python:own\n:f",
        "data.source: must be python:module:function, got 'python:own\\n:f'. Try python:my_module:my_function",
    ),
    "null": (
        "python:own\x00:f",
        "data.source: must be python:module:function, got 'python:own\\x00:f'. Try python:my_module:my_function",
    ),
    "slash": (
        "python:../own:f",
        "data.source: must be python:module:function, got 'python:../own:f'. Try python:my_module:my_function",
    ),
    "digits": (
        "python:1:f",
        "data.source: must be python:module:function, got 'python:1:f'. Try python:my_module:my_function",
    ),
    "sweep": (
        "python:sweep.cli.app:main",
        "data.source: must be a function of your own, got one of sweep itself, sweep.cli.app (python:sweep.cli.app:main). Write it in a module beside the study file",
    ),
    "nowhere": (
        "python:nowhere_at_all.sub:f",
        "data.source: module nowhere_at_all.sub must import, got ModuleNotFoundError: No module named 'nowhere_at_all' (python:nowhere_at_all.sub:f, {folder}/nowhere_at_all/sub.py). Put sub.py beside the study file",
    ),
}
