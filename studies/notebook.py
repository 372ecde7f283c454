# %% [markdown]
# # How strong should the penalty be?
#
# A notebook as a script: editors that know `# %%` run it cell by cell, so does `python
# studies/notebook.py` from the project's folder.

# %%
import sweep

# %% [markdown]
# A study is a file; keys can be overridden. This one is a short version of the default study.

# %%
spec = sweep.load_spec(
    "studies/digits-l2.yaml", {"study_name": "notebook", "replicates.n_repeats": 1}
)
result = sweep.run(spec)
result  # noqa: B018 - in a notebook: the verdict and a table of the choices

# %%
print(result.verdict)
print(result.choices.to_string(index=False))

# %% [markdown]
# One row a trial, as pandas has it, and the study as Optuna has it.

# %%
trials = result.trials
print(trials[["number", "alpha", "value", "value_se", "norm"]].sort_values("alpha").head())
print(result.study.best_trial.number)

# %% [markdown]
# Pictures are plotly figures; in a notebook the last expression of a cell is shown.

# %%
curve = result.figure("validation_curve")
curve  # noqa: B018 - shown by the notebook

# %% [markdown]
# Into a training loop of one's own: see the README for the three ways.

# %%
import torch  # noqa: E402

config = sweep.load_config(result.export("studies/out/notebook.yaml"))
model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
optimizer = torch.optim.Adam(config.param_groups(model), lr=2e-2)
print(
    f"alpha = {config.alpha:.3g}: weight_decay = {optimizer.param_groups[0]['weight_decay']:.3g}"
)
