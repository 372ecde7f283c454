BEGIN TRANSACTION;
CREATE TABLE sweep_events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	job_id VARCHAR(36) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	data TEXT NOT NULL, 
	created FLOAT NOT NULL
);
INSERT INTO "sweep_events" VALUES(1,'01a226d5-b550-70c2-be9e-e77dcd2ff075','state','{"state": "queued", "attempts": 0, "message": ""}',1.79594786952301549909e+09);
INSERT INTO "sweep_events" VALUES(2,'01a226d5-b550-70c2-be9e-e77dcd2ff075','state','{"state": "starting", "attempts": 1, "message": ""}',1.7959478695360109806e+09);
INSERT INTO "sweep_events" VALUES(3,'01a226d5-b550-70c2-be9e-e77dcd2ff075','state','{"state": "running", "attempts": 1, "message": ""}',1.79594786954301142696e+09);
INSERT INTO "sweep_events" VALUES(4,'01a226d5-b550-70c2-be9e-e77dcd2ff075','log','{"line": "a note"}',1.79594786954498291014e+09);
INSERT INTO "sweep_events" VALUES(5,'01a226d5-b550-70c2-be9e-e77dcd2ff075','trial','{"at": 0.01, "value": 0.5}',1.79594786954498291014e+09);
INSERT INTO "sweep_events" VALUES(6,'01a226d5-b550-70c2-be9e-e77dcd2ff075','progress','{"n_results": 6, "n_trials": 6, "fraction": 1.0, "strength": "alpha", "span": [0.0001, 0.1], "best": {"at": 0.01, "value": 0.5, "value_se": 0.1}}',1.79594786954498291014e+09);
INSERT INTO "sweep_events" VALUES(7,'01a226d5-b550-70c2-be9e-e77dcd2ff075','state','{"state": "done", "attempts": 1, "message": ""}',1.79594786955198335649e+09);
INSERT INTO "sweep_events" VALUES(8,'01a226d5-b550-70c2-be9e-e77dcd2ff075','end','{"state": "done", "ending": "done", "error": "", "message": ""}',1.79594786955198335649e+09);
INSERT INTO "sweep_events" VALUES(9,'01a226d5-b57a-71f6-b42b-4706331aea83','state','{"state": "queued", "attempts": 0, "message": ""}',1.79594786956300735475e+09);
INSERT INTO "sweep_events" VALUES(10,'01a226d5-b57a-71f6-b42b-4706331aea83','state','{"state": "starting", "attempts": 1, "message": ""}',1.79594786956900215151e+09);
INSERT INTO "sweep_events" VALUES(11,'01a226d5-b57a-71f6-b42b-4706331aea83','state','{"state": "running", "attempts": 1, "message": ""}',1.79594786957399106018e+09);
INSERT INTO "sweep_events" VALUES(12,'01a226d5-b57a-71f6-b42b-4706331aea83','state','{"state": "waiting", "attempts": 1, "message": "its process ended by signal 9"}',1.79594786957801437381e+09);
INSERT INTO "sweep_events" VALUES(13,'01a226d5-b59e-7a75-9b4d-5cbd4431cc80','state','{"state": "queued", "attempts": 0, "message": ""}',1.79594786959901595111e+09);
INSERT INTO "sweep_events" VALUES(14,'01a226d5-b59e-7a75-9b4d-5cbd4431cc80','state','{"state": "starting", "attempts": 1, "message": ""}',1.79594786961800599103e+09);
INSERT INTO "sweep_events" VALUES(15,'01a226d5-b59e-7a75-9b4d-5cbd4431cc80','state','{"state": "running", "attempts": 1, "message": ""}',1.79594786962299489971e+09);
INSERT INTO "sweep_events" VALUES(16,'01a226d5-b5c9-777a-bc85-0ee75e47509d','state','{"state": "queued", "attempts": 0, "message": ""}',1.79594786964299082759e+09);
INSERT INTO "sweep_events" VALUES(17,'01a226d5-b5c9-777a-bc85-0ee75e47509d','state','{"state": "cancelled", "attempts": 0, "message": ""}',1.7959478696509971619e+09);
INSERT INTO "sweep_events" VALUES(18,'01a226d5-b5c9-777a-bc85-0ee75e47509d','end','{"state": "cancelled", "ending": "cancelled", "error": "", "message": ""}',1.79594786965200304985e+09);
INSERT INTO "sweep_events" VALUES(19,'01a226d5-b5ea-7140-bf1a-1d26885a9122','state','{"state": "queued", "attempts": 0, "message": ""}',1.7959478696810111999e+09);
CREATE TABLE sweep_jobs (
	seq INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	project VARCHAR(64) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	study_name VARCHAR(200) NOT NULL, 
	body TEXT NOT NULL, 
	folder TEXT, 
	storage TEXT, 
	spec_hash VARCHAR(64) NOT NULL, 
	changes TEXT NOT NULL, 
	n_trials INTEGER NOT NULL, 
	timeout_s FLOAT, 
	idem_key VARCHAR(255), 
	idem_hash VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	want VARCHAR(16) NOT NULL, 
	wanted FLOAT, 
	priority INTEGER NOT NULL, 
	token VARCHAR(32), 
	expires FLOAT, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	started VARCHAR(255) NOT NULL, 
	attempts INTEGER NOT NULL, 
	due FLOAT, 
	created FLOAT NOT NULL, 
	queued FLOAT NOT NULL, 
	begun FLOAT, 
	ended FLOAT, 
	ending VARCHAR(32) NOT NULL, 
	error VARCHAR(64) NOT NULL, 
	message TEXT NOT NULL, 
	progress TEXT, 
	pruned BIGINT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (project, study_name), 
	UNIQUE (project, owner, idem_key), 
	UNIQUE (id)
);
INSERT INTO "sweep_jobs" VALUES(1,'01a226d5-b550-70c2-be9e-e77dcd2ff075','vision','alice','done','study_name: done
data: {source: "sklearn:iris", train_rows: 60}
model: {hidden: [4]}
training: {epochs: 3, batch_size: 20}
search: {n_trials: 6, space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 3}
',NULL,NULL,'f98e7cbc9001e4c7','{}',6,NULL,'key-1','0f1c6ceaf7f41009f1561ef54118b7b07053277553c9562539b4743e3281c960','done','',NULL,0,NULL,1.79594792955101776122e+09,'a-host',1234,'boot-pid:[1]/99',1,NULL,1.79594786952200984953e+09,1.79594786952200984953e+09,1.79594786954200553901e+09,1.79594786955101776127e+09,'done','','','{"n_results": 6, "n_trials": 6, "fraction": 1.0, "strength": "alpha", "span": [0.0001, 0.1], "best": {"at": 0.01, "value": 0.5, "value_se": 0.1}}',0);
INSERT INTO "sweep_jobs" VALUES(2,'01a226d5-b57a-71f6-b42b-4706331aea83','vision','alice','waits','study_name: waits
data: {source: "sklearn:iris", train_rows: 60}
model: {hidden: [4]}
training: {epochs: 3, batch_size: 20}
search: {n_trials: 6, space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 3}
',NULL,NULL,'f98e7cbc9001e4c7','{}',6,NULL,NULL,'300859ade77c68a3cdbb44964209d01f9a0a21e70745252e746aa4eb2ca54319','waiting','',NULL,0,NULL,1.79594792957700848581e+09,'a-host',1234,'boot-pid:[1]/99',1,1.79594787957801437375e+09,1.79594786956300735475e+09,1.79594786956300735475e+09,1.79594786957399106018e+09,NULL,'crashed','Crashed','its process ended by signal 9',NULL,0);
INSERT INTO "sweep_jobs" VALUES(3,'01a226d5-b59e-7a75-9b4d-5cbd4431cc80','vision','alice','runs','study_name: runs
data: {source: "sklearn:iris", train_rows: 60}
model: {hidden: [4]}
training: {epochs: 3, batch_size: 20}
search: {n_trials: 6, space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 3}
',NULL,NULL,'f98e7cbc9001e4c7','{}',6,NULL,NULL,'59f55ede52d24135e8e3ce82573e4b0d77b84de932522796be099479f0044f7e','running','',NULL,0,'88d101e417a44faa91253fdf89ca9082',1.79594792962198925023e+09,'a-host',1234,'boot-pid:[1]/99',1,NULL,1.79594786959901595111e+09,1.79594786959901595111e+09,1.79594786962198925015e+09,NULL,'','','',NULL,0);
INSERT INTO "sweep_jobs" VALUES(4,'01a226d5-b5c9-777a-bc85-0ee75e47509d','vision','alice','cancelled','study_name: cancelled
data: {source: "sklearn:iris", train_rows: 60}
model: {hidden: [4]}
training: {epochs: 3, batch_size: 20}
search: {n_trials: 6, space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 3}
',NULL,NULL,'f98e7cbc9001e4c7','{}',6,NULL,NULL,'47d348eae4859efca72141799d73f7f6d92856ce8fbd86d6e47729f01601224e','cancelled','',NULL,0,NULL,NULL,'',0,'',0,NULL,1.79594786964198493963e+09,1.79594786964198493963e+09,NULL,1.7959478696509971619e+09,'cancelled','','',NULL,0);
INSERT INTO "sweep_jobs" VALUES(5,'01a226d5-b5ea-7140-bf1a-1d26885a9122','vision','alice','queued','study_name: queued
data: {source: "sklearn:iris", train_rows: 60}
model: {hidden: [4]}
training: {epochs: 3, batch_size: 20}
search: {n_trials: 6, space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 3}
',NULL,NULL,'f98e7cbc9001e4c7','{"search.n_trials": 9}',9,NULL,NULL,'abbc7d7b67eecb9e751e67ded6d587e10a6f062cd13327d0d96686271d2e60aa','queued','',NULL,3,NULL,NULL,'',0,'',0,NULL,1.79594786967501640322e+09,1.79594786967501640322e+09,NULL,NULL,'','','',NULL,0);
CREATE TABLE sweep_service (
	version INTEGER NOT NULL
);
INSERT INTO "sweep_service" VALUES(1);
CREATE INDEX sweep_jobs_state ON sweep_jobs (state, priority, queued);
CREATE INDEX sweep_events_job ON sweep_events (job_id, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('sweep_events',19);
COMMIT;
