BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'old');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'folder','"/home/someone/studies"');
INSERT INTO "study_user_attributes" VALUES(2,1,'spec_hash','"4ce4538c76f498ad"');
INSERT INTO "study_user_attributes" VALUES(3,1,'data_hash','"e18a8eff096815f3"');
INSERT INTO "study_user_attributes" VALUES(4,1,'alpha_max','0.4763342301184954');
INSERT INTO "study_user_attributes" VALUES(5,1,'alpha_cap','null');
INSERT INTO "study_user_attributes" VALUES(6,1,'alpha_range','[0.0001, 0.1]');
INSERT INTO "study_user_attributes" VALUES(7,1,'problem','{"n_rows": 60, "n_outputs": 3, "penalised": ["layers.0.weight", "layers.1.weight"], "exempt": ["layers.0.bias", "layers.1.bias"], "model_hash": null, "device": "cpu"}');
INSERT INTO "study_user_attributes" VALUES(8,1,'spec','{"study_name": "old", "storage": "sqlite:///old.db", "device": "cpu", "data": {"source": "sklearn:iris", "target": null, "groups": null, "task": "classification", "scale": "standard", "train_rows": 60, "label_noise": 0.0, "test_fraction": 0.2}, "model": {"kind": "mlp", "hidden": [4], "activation": "relu"}, "training": {"lr": 0.02, "batch_size": 20, "epochs": 3, "schedule": "constant", "fused": true, "compile": false, "cuda_graph": false, "width": "auto", "workers": 1, "optimizer": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "penalty": {"norm": "l2", "l1_ratio": null, "exempt": []}, "search": {"n_trials": 4, "in_flight": "auto", "timeout_s": null, "widenings": 3, "sampler": {"type": "random", "seed": 3}, "pruner": {"type": "none"}, "space": {"alpha": {"low": 0.0001, "high": 0.1}, "weight_decay": null, "lr": null, "momentum": null, "l1_ratio": null}}, "replicates": {"n_folds": 3, "n_seeds": 1, "holdout": 0.25}, "objective": {"metric": "val_loss"}, "selection": "best"}');
INSERT INTO "study_user_attributes" VALUES(9,1,'run','{"began": "2026-11-29T03:02:23.517484+00:00", "n_results": 0}');
INSERT INTO "study_user_attributes" VALUES(10,1,'width','15');
INSERT INTO "study_user_attributes" VALUES(11,1,'baseline','{"value": 0.8430347839991251, "value_se": 0.09668077731144852, "replicate_values": [0.9969156384468079, 0.8674947023391724, 0.6646940112113953], "train_loss": 0.8382615844408671, "val_accuracy": 0.6916666626930237, "norm": 2.867469268857634, "penalty": 0.0, "sparsity": 0.0, "inputs_used": 3.007250733988577, "weight_counts": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 2, 4, 2, 3, 2, 4, 4, 3, 4, 5, 2, 1, 0, 3, 0, 0, 0, 0, 0, 3, 2, 3, 4, 1, 2, 1, 9, 6, 4, 1, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "outcome": "ok", "params": {"alpha": 0.0}}');
INSERT INTO "study_user_attributes" VALUES(12,1,'verdict','"alpha = 0.000233 is best: validation loss 0.8431 \u00b1 0.0966; that a penalty helps is not shown (alpha = 0 has 0.8430; paired gain -0.000054 \u00b1 0.000037, less than 4.3 standard errors). The folds do not tell 0.000233 to 0.0678 apart from it (95 %, paired)."');
CREATE TABLE sweep_leases (
	study_id INTEGER NOT NULL, 
	token VARCHAR(32) NOT NULL, 
	tick BIGINT NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	started VARCHAR(255) NOT NULL, 
	expires FLOAT NOT NULL, 
	PRIMARY KEY (study_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,1,1.0312545498212177808e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,2,1,1.03115586439768480708e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,3,1,1.04510200023651123046e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,4,1,1.03113845984141039302e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,1,2,9.33666567007700565206e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,2,2,0.933561384677887,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,3,2,9.66425836086273193359e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,4,2,9.33492422103881835937e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(9,1,3,8.43384563922882080078e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,2,3,0.843231737613678,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,3,3,8.90529592831929561747e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(12,4,3,8.43089203039805057393e-01,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'alpha',2.64035773175528122938e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(2,2,'alpha',7.41397584853676315519e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(3,3,'alpha',6.77836210129249133737e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(4,4,'alpha',2.33219489286699648272e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'value_se','0.09591935451966838');
INSERT INTO "trial_user_attributes" VALUES(2,1,'replicate_values','[0.995684027671814, 0.8682557344436646, 0.6662139296531677]');
INSERT INTO "trial_user_attributes" VALUES(3,1,'train_loss','0.8387379050254822');
INSERT INTO "trial_user_attributes" VALUES(4,1,'val_accuracy','0.6833333174387614');
INSERT INTO "trial_user_attributes" VALUES(5,1,'norm','2.8106701211984064');
INSERT INTO "trial_user_attributes" VALUES(6,1,'penalty','0.007421174585919766');
INSERT INTO "trial_user_attributes" VALUES(7,1,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(8,1,'inputs_used','3.041696029062809');
INSERT INTO "trial_user_attributes" VALUES(9,1,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 2, 4, 3, 2, 3, 6, 1, 5, 5, 2, 2, 0, 2, 0, 0, 0, 0, 0, 3, 2, 3, 4, 1, 2, 1, 9, 7, 3, 1, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(10,1,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(11,2,'value_se','0.09657890791355593');
INSERT INTO "trial_user_attributes" VALUES(12,2,'replicate_values','[0.99693363904953, 0.8676934242248535, 0.6650681495666504]');
INSERT INTO "trial_user_attributes" VALUES(13,2,'train_loss','0.838502566019694');
INSERT INTO "trial_user_attributes" VALUES(14,2,'val_accuracy','0.6916666626930237');
INSERT INTO "trial_user_attributes" VALUES(15,2,'norm','2.851764912056234');
INSERT INTO "trial_user_attributes" VALUES(16,2,'penalty','0.0021142916183689484');
INSERT INTO "trial_user_attributes" VALUES(17,2,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(18,2,'inputs_used','3.0053733303921852');
INSERT INTO "trial_user_attributes" VALUES(19,2,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 4, 2, 3, 2, 4, 4, 2, 5, 5, 2, 1, 0, 2, 1, 0, 0, 0, 0, 3, 2, 3, 4, 1, 2, 1, 9, 6, 4, 1, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(20,2,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(21,3,'value_se','0.06306001703224386');
INSERT INTO "trial_user_attributes" VALUES(22,3,'replicate_values','[0.9999129176139832, 0.8902085423469543, 0.7814673185348511]');
INSERT INTO "trial_user_attributes" VALUES(23,3,'train_loss','0.8869906067848206');
INSERT INTO "trial_user_attributes" VALUES(24,3,'val_accuracy','0.674999992052714');
INSERT INTO "trial_user_attributes" VALUES(25,3,'norm','1.8814212150736187');
INSERT INTO "trial_user_attributes" VALUES(26,3,'penalty','0.12752954260822685');
INSERT INTO "trial_user_attributes" VALUES(27,3,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(28,3,'inputs_used','3.079910341063139');
INSERT INTO "trial_user_attributes" VALUES(29,3,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 3, 1, 6, 2, 5, 3, 6, 6, 4, 1, 0, 2, 0, 0, 1, 0, 0, 3, 4, 1, 4, 1, 4, 2, 10, 7, 3, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(30,3,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(31,4,'value_se','0.09664537864054312');
INSERT INTO "trial_user_attributes" VALUES(32,4,'replicate_values','[0.9969026446342468, 0.8675583004951477, 0.6648066639900208]');
INSERT INTO "trial_user_attributes" VALUES(33,4,'train_loss','0.8383241295814514');
INSERT INTO "trial_user_attributes" VALUES(34,4,'val_accuracy','0.6916666626930237');
INSERT INTO "trial_user_attributes" VALUES(35,4,'norm','2.862952364096754');
INSERT INTO "trial_user_attributes" VALUES(36,4,'penalty','0.0006676962882067943');
INSERT INTO "trial_user_attributes" VALUES(37,4,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(38,4,'inputs_used','3.007702792570729');
INSERT INTO "trial_user_attributes" VALUES(39,4,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 2, 4, 2, 3, 2, 4, 4, 2, 5, 5, 2, 1, 0, 3, 0, 0, 0, 0, 0, 3, 2, 3, 4, 1, 2, 1, 9, 6, 4, 1, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(40,4,'outcome','"ok"');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,8.43384563922882080078e-01,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,0.843231737613678,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,8.90529592831929561747e-01,'FINITE');
INSERT INTO "trial_values" VALUES(4,4,0,8.43089203039805057393e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-29 03:02:23.527742','2026-11-29 03:02:23.563072');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-29 03:02:23.528382','2026-11-29 03:02:23.563806');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-29 03:02:23.528624','2026-11-29 03:02:23.564403');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-29 03:02:23.529049','2026-11-29 03:02:23.564941');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
