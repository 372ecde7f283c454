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
INSERT INTO "studies" VALUES(1,'begun');
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
INSERT INTO "study_system_attributes" VALUES(1,1,'sweep:asked','36');
INSERT INTO "study_system_attributes" VALUES(2,1,'dashboard:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(3,1,'dashboard:note_str:0','"**alpha = 0.000351 is best: validation loss 0.9971 \u00b1 0.0535; alpha = 0 has 0.9971, 2.7e-05 \u00b1 8.5e-05 more on the folds that chose it; a run ends with a test on fresh folds. Any alpha from 0.0001 to 0.072 does as well within the noise of the folds (95 %, paired).**\n\n|  | \u00a0\u00a0\u00a0constant | \u00a0\u00a0\u00a0no penalty | \u00a0\u00a0\u00a0best | \u00a0\u00a0\u00a01se |\n| --- | ---: | ---: | ---: | ---: |\n| \u03b1 | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a00 | \u00a0\u00a0\u00a00.000351 | \u00a0\u00a0\u00a00.1 |\n| validation loss | \u00a0\u00a0\u00a01.0986 \u00b1 0.0000 | \u00a0\u00a0\u00a00.9971 \u00b1 0.0534 | \u00a0\u00a0\u00a00.9971 \u00b1 0.0535 | \u00a0\u00a0\u00a01.0309 \u00b1 0.0546 |\n| gain over no penalty | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a02.7e-05 \u00b1 8.5e-05 | \u00a0\u00a0\u00a0-0.0338 \u00b1 0.0017 |\n| validation accuracy | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a049.2% | \u00a0\u00a0\u00a049.2% | \u00a0\u00a0\u00a044.2% |\n| training loss | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a01.0000 | \u00a0\u00a0\u00a01.0000 | \u00a0\u00a0\u00a01.0318 |\n| norm of the weights | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a02.457 | \u00a0\u00a0\u00a02.439 | \u00a0\u00a0\u00a01.426 |\n| exact zeros | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a00.0% | \u00a0\u00a0\u00a00.0% | \u00a0\u00a0\u00a00.0% |\n| inputs used by a unit | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a03.25 | \u00a0\u00a0\u00a03.25 | \u00a0\u00a0\u00a03.09 |\n| minimum of a smooth curve | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a00.000304 | \u00a0\u00a0\u00a0\u2013 |\n| it misses left-out trials by | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a0\u2013 | \u00a0\u00a0\u00a05.4e-06 (median) | \u00a0\u00a0\u00a0\u2013 |\n\nTrials ended: 24 COMPLETE, of 48 wanted.\n\n*Written by sweep, which leaves the note alone once it is edited (af0e48664965).*"');
INSERT INTO "study_system_attributes" VALUES(4,1,'dashboard:plot_data:sweep-validation_curve:0','"{\"data\":[{\"type\":\"scatter\",\"name\":\"\\u00b1 1 deviation of the smooth curve\",\"mode\":\"lines\",\"fill\":\"toself\",\"x\":[0.0001,0.00010423,0.00010864,0.00011324,0.00011803,0.00012303,0.00012823,0.00013366,0.00013932,0.00014521,0.00015136,0.00015776,0.00016444,0.0001714,0.00017865,0.00018621,0.00019409,0.0002023,0.00021086,0.00021979,0.00022909,0.00023878,0.00024889,0.00025942,0.0002704,0.00028184,0.00029376,0.0003062,0.00031915,0.00033266,0.00034674,0.00036141,0.0003767,0.00039264,0.00040926,0.00042658,0.00044463,0.00046345,0.00048306,0.0005035,0.00052481,0.00054702,0.00057016,0.00059429,0.00061944,0.00064565,0.00067298,0.00070146,0.00073114,0.00076208,0.00079433,0.00082794,0.00086298,0.0008995,0.00093756,0.00097724,0.0010186,0.0010617,0.0011066,0.0011535,0.0012023,0.0012531,0.0013062,0.0013614,0.0014191,0.0014791,0.0015417,0.0016069,0.0016749,0.0017458,0.0018197,0.0018967,0.001977,0.0020606,0.0021478,0.0022387,0.0023335,0.0024322,0.0025351,0.0026424,0.0027542,0.0028708,0.0029923,0.0031189,0.0032509,0.0033884,0.0035318,0.0036813,0.0038371,0.0039994,0.0041687,0.0043451,0.004529,0.0047206,0.0049204,0.0051286,0.0053456,0.0055719,0.0058076,0.0060534,0.0063096,0.0065766,0.0068549,0.007145,0.0074473,0.0077625,0.008091,0.0084333,0.0087902,0.0091622,0.0095499,0.0099541,0.010375,0.010814,0.011272,0.011749,0.012246,0.012764,0.012764,0.012246,0.011749,0.011272,0.010814,0.010375,0.0099541,0.0095499,0.0091622,0.0087902,0.0084333,0.008091,0.0077625,0.0074473,0.007145,0.0068549,0.0065766,0.0063096,0.0060534,0.0058076,0.0055719,0.0053456,0.0051286,0.0049204,0.0047206,0.004529,0.0043451,0.0041687,0.0039994,0.0038371,0.0036813,0.0035318,0.0033884,0.0032509,0.0031189,0.0029923,0.0028708,0.0027542,0.0026424,0.0025351,0.0024322,0.0023335,0.0022387,0.0021478,0.0020606,0.001977,0.0018967,0.0018197,0.0017458,0.0016749,0.0016069,0.0015417,0.0014791,0.0014191,0.0013614,0.0013062,0.0012531,0.0012023,0.0011535,0.0011066,0.0010617,0.0010186,0.00097724,0.00093756,0.0008995,0.00086298,0.00082794,0.00079433,0.00076208,0.00073114,0.00070146,0.00067298,"');
INSERT INTO "study_system_attributes" VALUES(5,1,'dashboard:plot_data:sweep-validation_curve:1','"0.00064565,0.00061944,0.00059429,0.00057016,0.00054702,0.00052481,0.0005035,0.00048306,0.00046345,0.00044463,0.00042658,0.00040926,0.00039264,0.0003767,0.00036141,0.00034674,0.00033266,0.00031915,0.0003062,0.00029376,0.00028184,0.0002704,0.00025942,0.00024889,0.00023878,0.00022909,0.00021979,0.00021086,0.0002023,0.00019409,0.00018621,0.00017865,0.0001714,0.00016444,0.00015776,0.00015136,0.00014521,0.00013932,0.00013366,0.00012823,0.00012303,0.00011803,0.00011324,0.00010864,0.00010423,0.0001],\"y\":[0.99715,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99714,0.99714,0.99714,0.99714,0.99714,0.99714,0.99715,0.99715,0.99715,0.99715,0.99715,0.99716,0.99716,0.99716,0.99716,0.99717,0.99717,0.99717,0.99718,0.99718,0.99719,0.99719,0.9972,0.9972,0.99721,0.99722,0.99723,0.99723,0.99724,0.99725,0.99726,0.99728,0.99729,0.9973,0.99732,0.99734,0.99736,0.99737,0.9974,0.99742,0.99744,0.99747,0.9975,0.99753,0.99757,0.9976,0.99764,0.99768,0.99772,0.99777,0.99782,0.99787,0.99792,0.99797,0.99803,0.99809,0.99815,0.99821,0.99828,0.99835,0.99842,0.9985,0.99858,0.99866,0.99874,0.99883,0.99892,0.99902,0.99912,0.99922,0.99932,0.99943,0.99955,0.99967,0.99979,0.99992,1.0001,1.0002,1.0003,1.0005,1.0007,1.0008,1.001,1.0012,1.0014,1.0011,1.0009,1.0008,1.0006,1.0005,1.0003,1.0002,1.0001,0.99994,0.99982,0.9997,0.99959,0.99948,0.99937,0.99927,0.99916,0.99907,0.99897,0.99888,0.99879,0.9987,0.99862,0.99854,0.99846,0.99839,0.99831,0.99824,0.99818,0.99811,0.99805,0.99799,0.99794,0.99788,0.99783,0.99778,0.99773,0.99769,0.99765,0.99761,0.99757,0.99754,0.9975,0.99747,0.99744,0.99742,0.99739,0.99737,0.99734,0.99732,0.9973,0.99729,0.99727,0.99726,0.99724,0.99723,0.99722,0.99721,0.9972,0.99719,0.99719,0.99718,0.99717,0.99717,0.99716,0.99716,0.99715,0.99715,0.99715,0.99714,0.99714,0.99713,0.99713,0.99713,0.99712,0.99712,0.99712,0.99712,0.99711,0.997"');
INSERT INTO "study_system_attributes" VALUES(6,1,'dashboard:plot_data:sweep-validation_curve:2','"11,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99711,0.99712,0.99712,0.99712,0.99712,0.99712],\"fillcolor\":\"rgba(30,150,120,0.24)\",\"line\":{\"width\":0,\"color\":\"#1f9c7f\"},\"hoverinfo\":\"skip\",\"showlegend\":false},{\"type\":\"scatter\",\"name\":\"smooth curve (misses left-out trials by 5.4e-06)\",\"x\":[0.0001,0.00010423,0.00010864,0.00011324,0.00011803,0.00012303,0.00012823,0.00013366,0.00013932,0.00014521,0.00015136,0.00015776,0.00016444,0.0001714,0.00017865,0.00018621,0.00019409,0.0002023,0.00021086,0.00021979,0.00022909,0.00023878,0.00024889,0.00025942,0.0002704,0.00028184,0.00029376,0.0003062,0.00031915,0.00033266,0.00034674,0.00036141,0.0003767,0.00039264,0.00040926,0.00042658,0.00044463,0.00046345,0.00048306,0.0005035,0.00052481,0.00054702,0.00057016,0.00059429,0.00061944,0.00064565,0.00067298,0.00070146,0.00073114,0.00076208,0.00079433,0.00082794,0.00086298,0.0008995,0.00093756,0.00097724,0.0010186,0.0010617,0.0011066,0.0011535,0.0012023,0.0012531,0.0013062,0.0013614,0.0014191,0.0014791,0.0015417,0.0016069,0.0016749,0.0017458,0.0018197,0.0018967,0.001977,0.0020606,0.0021478,0.0022387,0.0023335,0.0024322,0.0025351,0.0026424,0.0027542,0.0028708,0.0029923,0.0031189,0.0032509,0.0033884,0.0035318,0.0036813,0.0038371,0.0039994,0.0041687,0.0043451,0.004529,0.0047206,0.0049204,0.0051286,0.0053456,0.0055719,0.0058076,0.0060534,0.0063096,0.0065766,0.0068549,0.007145,0.0074473,0.0077625,0.008091,0.0084333,0.0087902,0.0091622,0.0095499,0.0099541,0.010375,0.010814,0.011272,0.011749,0.012246,0.012764],\"y\":[0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99713,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99712,0.99713,0.99713,0.9"');
INSERT INTO "study_system_attributes" VALUES(7,1,'dashboard:plot_data:sweep-validation_curve:3','"9713,0.99713,0.99713,0.99713,0.99714,0.99714,0.99714,0.99715,0.99715,0.99715,0.99716,0.99716,0.99716,0.99717,0.99717,0.99718,0.99718,0.99719,0.99719,0.9972,0.99721,0.99722,0.99723,0.99724,0.99725,0.99726,0.99727,0.99729,0.9973,0.99732,0.99734,0.99736,0.99738,0.99741,0.99743,0.99746,0.99749,0.99752,0.99755,0.99759,0.99763,0.99767,0.99771,0.99775,0.9978,0.99785,0.9979,0.99795,0.99801,0.99807,0.99813,0.99819,0.99826,0.99833,0.9984,0.99848,0.99856,0.99864,0.99872,0.99881,0.9989,0.99899,0.99909,0.99919,0.9993,0.9994,0.99951,0.99963,0.99975,0.99987,1.0,1.0001,1.0003,1.0004,1.0006,1.0007,1.0009,1.001,1.0012],\"mode\":\"lines\",\"line\":{\"color\":\"#1f9c7f\",\"width\":2,\"dash\":\"dot\"},\"marker\":{\"color\":\"#1f9c7f\",\"size\":5},\"hovertemplate\":\"<b>%{x:.3g}</b><br>smooth curve %{y:.4f}<extra></extra>\"},{\"type\":\"scatter\",\"name\":\"\\u00b1 1 standard error\",\"mode\":\"lines\",\"fill\":\"toself\",\"x\":[0.0001,0.00010675,0.00015153,0.00018738,0.00027171,0.0002853,0.0003378,0.00035112,0.00065793,0.00081436,0.0012328,0.0021337,0.0023101,0.0043288,0.0044609,0.0071861,0.0081113,0.015199,0.016785,0.02848,0.036615,0.053367,0.097145,0.1,0.1,0.097145,0.053367,0.036615,0.02848,0.016785,0.015199,0.0081113,0.0071861,0.0044609,0.0043288,0.0023101,0.0021337,0.0012328,0.00081436,0.00065793,0.00035112,0.0003378,0.0002853,0.00027171,0.00018738,0.00015153,0.00010675,0.0001],\"y\":[1.0506,1.0506,1.0506,1.0506,1.0506,1.0506,1.0506,1.0506,1.0507,1.0507,1.0507,1.0509,1.0509,1.0514,1.0514,1.0519,1.0521,1.0547,1.0556,1.0664,1.0718,1.076,1.0847,1.0855,0.97635,0.97532,0.95857,0.95584,0.95404,0.95006,0.94933,0.94717,0.94677,0.94518,0.94513,0.94411,0.94402,0.94372,0.94364,0.94363,0.94363,0.94363,0.94364,0.94364,0.94366,0.94367,0.94369,0.94369],\"fillcolor\":\"rgba(60,140,205,0.24)\",\"line\":{\"width\":0,\"color\":\"#3787cc\"},\"hoverinfo\":\"skip\",\"showlegend\":false},{\"type\":\"scatter\",\"name\":\"validation loss\",\"x\":[0.0001,0.00010675,0.00015153,0.00018738,0.00027171,0.0002853,0.0003378,0.00035112,0.00065793,0.00081436,0.0012328,0.0021337,0.0023101,0.0043288,0.0044609,0.0071861,0.0081113,0.015199,"');
INSERT INTO "study_system_attributes" VALUES(8,1,'dashboard:plot_data:sweep-validation_curve:4','"0.016785,0.02848,0.036615,0.053367,0.097145,0.1],\"y\":[0.99713,0.99713,0.99713,0.99712,0.99712,0.99712,0.99712,0.99712,0.99714,0.99716,0.99723,0.99745,0.99751,0.99825,0.99829,0.99933,0.99965,1.002,1.0028,1.0102,1.0138,1.0173,1.03,1.0309],\"mode\":\"lines+markers\",\"line\":{\"color\":\"#3787cc\",\"width\":1.75},\"marker\":{\"color\":\"#3787cc\",\"size\":5},\"hovertemplate\":\"<b>%{x:.3g}</b><br>validation loss %{y:.4f}%{text}<br>%{text}<extra></extra>\",\"text\":[\" \\u00b1 0.053<br>trial 0\",\" \\u00b1 0.053<br>trial 17\",\" \\u00b1 0.053<br>trial 14\",\" \\u00b1 0.053<br>trial 6\",\" \\u00b1 0.053<br>trial 23\",\" \\u00b1 0.053<br>trial 22\",\" \\u00b1 0.053<br>trial 21\",\" \\u00b1 0.053<br>trial 3\",\" \\u00b1 0.054<br>trial 9\",\" \\u00b1 0.054<br>trial 20\",\" \\u00b1 0.054<br>trial 2\",\" \\u00b1 0.053<br>trial 19\",\" \\u00b1 0.053<br>trial 8\",\" \\u00b1 0.053<br>trial 5\",\" \\u00b1 0.053<br>trial 15\",\" \\u00b1 0.053<br>trial 13\",\" \\u00b1 0.052<br>trial 11\",\" \\u00b1 0.053<br>trial 1\",\" \\u00b1 0.053<br>trial 16\",\" \\u00b1 0.056<br>trial 7\",\" \\u00b1 0.058<br>trial 12\",\" \\u00b1 0.059<br>trial 4\",\" \\u00b1 0.055<br>trial 18\",\" \\u00b1 0.055<br>trial 10\"]},{\"type\":\"scatter\",\"name\":\"training loss\",\"x\":[0.0001,0.00010675,0.00015153,0.00018738,0.00027171,0.0002853,0.0003378,0.00035112,0.00065793,0.00081436,0.0012328,0.0021337,0.0023101,0.0043288,0.0044609,0.0071861,0.0081113,0.015199,0.016785,0.02848,0.036615,0.053367,0.097145,0.1],\"y\":[0.99998,0.99998,0.99999,0.99999,1.0,1.0,1.0,1.0,1.0001,1.0001,1.0002,1.0005,1.0006,1.0001,1.0002,1.001,1.0016,1.0043,1.0054,1.0127,1.0156,1.0189,1.0311,1.0318],\"mode\":\"lines+markers\",\"line\":{\"color\":\"#d4702c\",\"width\":1.75},\"marker\":{\"color\":\"#d4702c\",\"size\":5},\"hovertemplate\":\"<b>%{x:.3g}</b><br>training loss %{y:.4f}%{text}<br>%{text}<extra></extra>\",\"text\":[\"<br>trial 0\",\"<br>trial 17\",\"<br>trial 14\",\"<br>trial 6\",\"<br>trial 23\",\"<br>trial 22\",\"<br>trial 21\",\"<br>trial 3\",\"<br>trial 9\",\"<br>trial 20\",\"<br>trial 2\",\"<br>trial 19\",\"<br>trial 8\",\"<br>trial 5\",\"<br>trial 15\",\"<br>trial 13\",\"<br>trial 11\",\"<br>trial 1\",\"<br>trial 16\",\"<br>trial 7\",\"<br"');
INSERT INTO "study_system_attributes" VALUES(9,1,'dashboard:plot_data:sweep-validation_curve:5','">trial 12\",\"<br>trial 4\",\"<br>trial 18\",\"<br>trial 10\"]},{\"type\":\"scatter\",\"name\":\"\\u03b1 = 0: 0.9971 \\u00b1 0.053\",\"x\":[null],\"y\":[null],\"hoverinfo\":\"skip\",\"mode\":\"lines\",\"line\":{\"color\":\"#87909b\",\"width\":1.5,\"dash\":\"dash\"}},{\"type\":\"scatter\",\"name\":\"as good, within noise\",\"x\":[null],\"y\":[null],\"hoverinfo\":\"skip\",\"mode\":\"markers\",\"marker\":{\"symbol\":\"square\",\"size\":12,\"color\":\"rgba(125,136,148,0.35)\"}}],\"layout\":{\"paper_bgcolor\":\"rgba(0,0,0,0)\",\"plot_bgcolor\":\"rgba(0,0,0,0)\",\"font\":{\"family\":\"system-ui, -apple-system, ''Segoe UI'', Roboto, sans-serif\",\"size\":13,\"color\":\"#7d8894\"},\"margin\":{\"l\":56,\"r\":14,\"t\":143,\"b\":48},\"showlegend\":true,\"legend\":{\"orientation\":\"h\",\"x\":0,\"y\":1.02,\"yanchor\":\"bottom\",\"font\":{\"color\":\"#7d8894\"}},\"hovermode\":\"closest\",\"hoverlabel\":{\"font\":{\"family\":\"system-ui, -apple-system, ''Segoe UI'', Roboto, sans-serif\",\"size\":13}},\"modebar\":{\"orientation\":\"h\",\"bgcolor\":\"rgba(0,0,0,0)\",\"color\":\"#87909b\",\"activecolor\":\"#7d8894\",\"remove\":[\"select2d\",\"lasso2d\",\"autoScale2d\",\"zoomIn2d\",\"zoomOut2d\"]},\"dragmode\":false,\"shapes\":[{\"type\":\"line\",\"y0\":0.99715,\"y1\":0.99715,\"xref\":\"paper\",\"x0\":0,\"x1\":1,\"yref\":\"y\",\"layer\":\"below\",\"line\":{\"color\":\"#87909b\",\"width\":1.5,\"dash\":\"dash\"}},{\"type\":\"rect\",\"y0\":0.94373,\"y1\":1.0506,\"xref\":\"paper\",\"x0\":0,\"x1\":1,\"yref\":\"y\",\"layer\":\"below\",\"fillcolor\":\"rgba(125,136,148,0.14)\",\"line\":{\"width\":0}},{\"type\":\"rect\",\"x0\":0.0001,\"x1\":0.072002,\"yref\":\"paper\",\"y0\":0,\"y1\":0.88,\"xref\":\"x\",\"layer\":\"below\",\"fillcolor\":\"rgba(125,136,148,0.14)\",\"line\":{\"width\":0}},{\"type\":\"line\",\"x0\":0.00035112,\"x1\":0.00035112,\"yref\":\"paper\",\"y0\":0,\"y1\":0.88,\"xref\":\"x\",\"line\":{\"color\":\"#7d8894\",\"width\":1.25,\"dash\":\"solid\"}},{\"type\":\"line\",\"x0\":0.1,\"x1\":0.1,\"yref\":\"paper\",\"y0\":0,\"y1\":0.88,\"xref\":\"x\",\"line\":{\"color\":\"#7d8894\",\"width\":1.25,\"dash\":\"dot\"}}],\"annotations\":[{\"text\":\"<b>best</b> 0.000351\",\"x\":-3.4545,\"xref\":\"x\",\"yref\":\"paper\",\"y\":0.88,\"yanchor\":\"bottom\",\"yshift\":1,\"showarrow\":false,\"xanchor\":\"left\",\"xshift\":-4,\"font\":{\"color\":\"#7d8894\",\"size\":12}},{\"text\":\"<b>1se</b> 0.1\",\"x\":-1.0,\"xref\":\"x\",\"yr"');
INSERT INTO "study_system_attributes" VALUES(10,1,'dashboard:plot_data:sweep-validation_curve:6','"ef\":\"paper\",\"y\":0.88,\"yanchor\":\"bottom\",\"yshift\":16,\"showarrow\":false,\"xanchor\":\"right\",\"xshift\":4,\"font\":{\"color\":\"#7d8894\",\"size\":12}}],\"xaxis\":{\"title\":{\"text\":\"penalty strength \\u03b1 (log scale)\",\"standoff\":10},\"gridcolor\":\"rgba(125,136,148,0.22)\",\"zeroline\":false,\"linecolor\":\"rgba(125,136,148,0.22)\",\"tickcolor\":\"rgba(125,136,148,0.22)\",\"ticks\":\"outside\",\"ticklen\":4,\"automargin\":true,\"type\":\"log\",\"range\":[-4.09,-0.91],\"exponentformat\":\"power\",\"dtick\":1},\"yaxis\":{\"title\":{\"text\":\"mean loss\",\"standoff\":10},\"gridcolor\":\"rgba(125,136,148,0.22)\",\"zeroline\":false,\"linecolor\":\"rgba(125,136,148,0.22)\",\"tickcolor\":\"rgba(125,136,148,0.22)\",\"ticks\":\"outside\",\"ticklen\":4,\"automargin\":true,\"nticks\":7,\"domain\":[0,0.88]},\"title\":{\"text\":\"Validation curve\",\"x\":0.01,\"xanchor\":\"left\",\"y\":0.98,\"yanchor\":\"top\"}}}"');
INSERT INTO "study_system_attributes" VALUES(11,1,'dashboard:plot_data:sweep-terms:0','"{\"data\":[{\"type\":\"scatter\",\"name\":\"data loss\",\"x\":[0.0001,0.00010675,0.00015153,0.00018738,0.00027171,0.0002853,0.0003378,0.00035112,0.00065793,0.00081436,0.0012328,0.0021337,0.0023101,0.0043288,0.0044609,0.0071861,0.0081113,0.015199,0.016785,0.02848,0.036615,0.053367,0.097145,0.1],\"y\":[0.99998,0.99998,0.99999,0.99999,1.0,1.0,1.0,1.0,1.0001,1.0001,1.0002,1.0005,1.0006,1.0001,1.0002,1.001,1.0016,1.0043,1.0054,1.0127,1.0156,1.0189,1.0311,1.0318],\"mode\":\"lines+markers\",\"line\":{\"color\":\"#d4702c\",\"width\":1.75},\"marker\":{\"color\":\"#d4702c\",\"size\":5},\"hovertemplate\":\"<b>%{x:.3g}</b><br>data loss %{y:.4f}%{text}<br>%{text}<extra></extra>\",\"text\":[\"<br>trial 0\",\"<br>trial 17\",\"<br>trial 14\",\"<br>trial 6\",\"<br>trial 23\",\"<br>trial 22\",\"<br>trial 21\",\"<br>trial 3\",\"<br>trial 9\",\"<br>trial 20\",\"<br>trial 2\",\"<br>trial 19\",\"<br>trial 8\",\"<br>trial 5\",\"<br>trial 15\",\"<br>trial 13\",\"<br>trial 11\",\"<br>trial 1\",\"<br>trial 16\",\"<br>trial 7\",\"<br>trial 12\",\"<br>trial 4\",\"<br>trial 18\",\"<br>trial 10\"]},{\"type\":\"scatter\",\"name\":\"penalty \\u03b1\\u2016W\\u2016\\u2082\\u00b2\",\"x\":[0.0001,0.00010675,0.00015153,0.00018738,0.00027171,0.0002853,0.0003378,0.00035112,0.00065793,0.00081436,0.0012328,0.0021337,0.0023101,0.0043288,0.0044609,0.0071861,0.0081113,0.015199,0.016785,0.02848,0.036615,0.053367,0.097145,0.1],\"y\":[0.00024495,0.00026143,0.00037074,0.00045814,0.00066334,0.00069638,0.00082388,0.00085621,0.0015984,0.0019751,0.002977,0.0051086,0.0055222,0.010137,0.010435,0.016419,0.018353,0.032264,0.034588,0.052796,0.064323,0.088217,0.14035,0.14262],\"mode\":\"lines+markers\",\"line\":{\"color\":\"#1f9c7f\",\"width\":1.75},\"marker\":{\"color\":\"#1f9c7f\",\"size\":5},\"hovertemplate\":\"<b>%{x:.3g}</b><br>penalty \\u03b1\\u2016W\\u2016\\u2082\\u00b2 %{y:.4f}%{text}<br>%{text}<extra></extra>\",\"text\":[\"<br>trial 0\",\"<br>trial 17\",\"<br>trial 14\",\"<br>trial 6\",\"<br>trial 23\",\"<br>trial 22\",\"<br>trial 21\",\"<br>trial 3\",\"<br>trial 9\",\"<br>trial 20\",\"<br>trial 2\",\"<br>trial 19\",\"<br>trial 8\",\"<br>trial 5\",\"<br>trial 15\",\"<br>trial 13\",\"<br>trial 11\",\"<br>trial 1\",\"<br>trial 16"');
INSERT INTO "study_system_attributes" VALUES(12,1,'dashboard:plot_data:sweep-terms:1','"\",\"<br>trial 7\",\"<br>trial 12\",\"<br>trial 4\",\"<br>trial 18\",\"<br>trial 10\"]},{\"type\":\"scatter\",\"name\":\"their sum\",\"x\":[0.0001,0.00010675,0.00015153,0.00018738,0.00027171,0.0002853,0.0003378,0.00035112,0.00065793,0.00081436,0.0012328,0.0021337,0.0023101,0.0043288,0.0044609,0.0071861,0.0081113,0.015199,0.016785,0.02848,0.036615,0.053367,0.097145,0.1],\"y\":[1.0002,1.0002,1.0004,1.0004,1.0007,1.0007,1.0008,1.0009,1.0017,1.0021,1.0032,1.0056,1.0061,1.0103,1.0106,1.0174,1.02,1.0366,1.04,1.0655,1.0799,1.1071,1.1714,1.1744],\"mode\":\"lines+markers\",\"line\":{\"color\":\"#7d8894\",\"width\":1.75},\"marker\":{\"color\":\"#7d8894\",\"size\":5},\"hovertemplate\":\"<b>%{x:.3g}</b><br>their sum %{y:.4f}%{text}<br>%{text}<extra></extra>\",\"text\":[\"<br>trial 0\",\"<br>trial 17\",\"<br>trial 14\",\"<br>trial 6\",\"<br>trial 23\",\"<br>trial 22\",\"<br>trial 21\",\"<br>trial 3\",\"<br>trial 9\",\"<br>trial 20\",\"<br>trial 2\",\"<br>trial 19\",\"<br>trial 8\",\"<br>trial 5\",\"<br>trial 15\",\"<br>trial 13\",\"<br>trial 11\",\"<br>trial 1\",\"<br>trial 16\",\"<br>trial 7\",\"<br>trial 12\",\"<br>trial 4\",\"<br>trial 18\",\"<br>trial 10\"]}],\"layout\":{\"paper_bgcolor\":\"rgba(0,0,0,0)\",\"plot_bgcolor\":\"rgba(0,0,0,0)\",\"font\":{\"family\":\"system-ui, -apple-system, ''Segoe UI'', Roboto, sans-serif\",\"size\":13,\"color\":\"#7d8894\"},\"margin\":{\"l\":56,\"r\":14,\"t\":92,\"b\":48},\"showlegend\":true,\"legend\":{\"orientation\":\"h\",\"x\":0,\"y\":1.02,\"yanchor\":\"bottom\",\"font\":{\"color\":\"#7d8894\"}},\"hovermode\":\"closest\",\"hoverlabel\":{\"font\":{\"family\":\"system-ui, -apple-system, ''Segoe UI'', Roboto, sans-serif\",\"size\":13}},\"modebar\":{\"orientation\":\"h\",\"bgcolor\":\"rgba(0,0,0,0)\",\"color\":\"#87909b\",\"activecolor\":\"#7d8894\",\"remove\":[\"select2d\",\"lasso2d\",\"autoScale2d\",\"zoomIn2d\",\"zoomOut2d\"]},\"dragmode\":false,\"shapes\":[{\"type\":\"rect\",\"x0\":0.0001,\"x1\":0.072002,\"yref\":\"paper\",\"y0\":0,\"y1\":0.88,\"xref\":\"x\",\"layer\":\"below\",\"fillcolor\":\"rgba(125,136,148,0.14)\",\"line\":{\"width\":0}},{\"type\":\"line\",\"x0\":0.00035112,\"x1\":0.00035112,\"yref\":\"paper\",\"y0\":0,\"y1\":0.88,\"xref\":\"x\",\"line\":{\"color\":\"#7d8894\",\"width\":1.25,\"dash\":\"solid\"}},{\"type\":\"line\",\"x0\":0.1,\"x1"');
INSERT INTO "study_system_attributes" VALUES(13,1,'dashboard:plot_data:sweep-terms:2','"\":0.1,\"yref\":\"paper\",\"y0\":0,\"y1\":0.88,\"xref\":\"x\",\"line\":{\"color\":\"#7d8894\",\"width\":1.25,\"dash\":\"dot\"}}],\"annotations\":[{\"text\":\"<b>best</b> 0.000351\",\"x\":-3.4545,\"xref\":\"x\",\"yref\":\"paper\",\"y\":0.88,\"yanchor\":\"bottom\",\"yshift\":1,\"showarrow\":false,\"xanchor\":\"left\",\"xshift\":-4,\"font\":{\"color\":\"#7d8894\",\"size\":12}},{\"text\":\"<b>1se</b> 0.1\",\"x\":-1.0,\"xref\":\"x\",\"yref\":\"paper\",\"y\":0.88,\"yanchor\":\"bottom\",\"yshift\":16,\"showarrow\":false,\"xanchor\":\"right\",\"xshift\":4,\"font\":{\"color\":\"#7d8894\",\"size\":12}}],\"xaxis\":{\"title\":{\"text\":\"penalty strength \\u03b1 (log scale)\",\"standoff\":10},\"gridcolor\":\"rgba(125,136,148,0.22)\",\"zeroline\":false,\"linecolor\":\"rgba(125,136,148,0.22)\",\"tickcolor\":\"rgba(125,136,148,0.22)\",\"ticks\":\"outside\",\"ticklen\":4,\"automargin\":true,\"type\":\"log\",\"range\":[-4.09,-0.91],\"exponentformat\":\"power\",\"dtick\":1},\"yaxis\":{\"title\":{\"text\":\"mean over replicates\",\"standoff\":10},\"gridcolor\":\"rgba(125,136,148,0.22)\",\"zeroline\":false,\"linecolor\":\"rgba(125,136,148,0.22)\",\"tickcolor\":\"rgba(125,136,148,0.22)\",\"ticks\":\"outside\",\"ticklen\":4,\"automargin\":true,\"rangemode\":\"tozero\",\"domain\":[0,0.88]},\"title\":{\"text\":\"The two terms of the objective\",\"x\":0.01,\"xanchor\":\"left\",\"y\":0.98,\"yanchor\":\"top\"}}}"');
INSERT INTO "study_system_attributes" VALUES(14,1,'dashboard:plot_data:sweep-balance:0','"{\"data\":[{\"type\":\"scatter\",\"name\":\"training loss\",\"x\":[2.4495,2.4491,2.4467,2.4449,2.4414,2.4409,2.439,2.4385,2.4294,2.4254,2.4147,2.3942,2.3904,2.3418,2.3393,2.2849,2.2627,2.1228,2.0607,1.8538,1.7567,1.653,1.4447,1.4262],\"y\":[0.99998,0.99998,0.99999,0.99999,1.0,1.0,1.0,1.0,1.0001,1.0001,1.0002,1.0005,1.0006,1.0001,1.0002,1.001,1.0016,1.0043,1.0054,1.0127,1.0156,1.0189,1.0311,1.0318],\"mode\":\"lines+markers\",\"line\":{\"color\":\"#d4702c\",\"width\":1},\"marker\":{\"size\":8,\"line\":{\"color\":\"#d4702c\",\"width\":1},\"color\":[-4.0,-3.9717,-3.8195,-3.7273,-3.5659,-3.5447,-3.4713,-3.4545,-3.1818,-3.0892,-2.9091,-2.6709,-2.6364,-2.3636,-2.3506,-2.1435,-2.0909,-1.8182,-1.7751,-1.5455,-1.4363,-1.2727,-1.0126,-1.0],\"colorscale\":[[0.0,\"#46508f\"],[0.35,\"#2d7f92\"],[0.7,\"#3fb477\"],[1.0,\"#e0cf35\"]],\"colorbar\":{\"title\":{\"text\":\"\\u03b1\",\"side\":\"right\"},\"thickness\":9,\"len\":0.9,\"outlinewidth\":0,\"ticks\":\"outside\",\"ticklen\":3,\"tickfont\":{\"size\":11},\"tickprefix\":\"10<sup>\",\"ticksuffix\":\"</sup>\",\"dtick\":1},\"symbol\":\"circle\"},\"hovertemplate\":\"training loss %{y:.4f}%{text}<br>%{text}<extra></extra>\",\"text\":[\"<br>alpha 0.0001<br>trial 0\",\"<br>alpha 0.000107<br>trial 17\",\"<br>alpha 0.000152<br>trial 14\",\"<br>alpha 0.000187<br>trial 6\",\"<br>alpha 0.000272<br>trial 23\",\"<br>alpha 0.000285<br>trial 22\",\"<br>alpha 0.000338<br>trial 21\",\"<br>alpha 0.000351<br>trial 3\",\"<br>alpha 0.000658<br>trial 9\",\"<br>alpha 0.000814<br>trial 20\",\"<br>alpha 0.00123<br>trial 2\",\"<br>alpha 0.00213<br>trial 19\",\"<br>alpha 0.00231<br>trial 8\",\"<br>alpha 0.00433<br>trial 5\",\"<br>alpha 0.00446<br>trial 15\",\"<br>alpha 0.00719<br>trial 13\",\"<br>alpha 0.00811<br>trial 11\",\"<br>alpha 0.0152<br>trial 1\",\"<br>alpha 0.0168<br>trial 16\",\"<br>alpha 0.0285<br>trial 7\",\"<br>alpha 0.0366<br>trial 12\",\"<br>alpha 0.0534<br>trial 4\",\"<br>alpha 0.0971<br>trial 18\",\"<br>alpha 0.1<br>trial 10\"]},{\"type\":\"scatter\",\"name\":\"training loss, \\u03b1 = 0\",\"x\":[2.4569],\"y\":[0.99997],\"mode\":\"markers\",\"line\":{\"color\":\"#d4702c\",\"width\":1.75},\"marker\":{\"symbol\":\"circle-open\",\"size\":13,\"color\":\"#d4702c\",\"line\""');
INSERT INTO "study_system_attributes" VALUES(15,1,'dashboard:plot_data:sweep-balance:1','":{\"width\":2}},\"hovertemplate\":\"training loss, \\u03b1 = 0<br>%{y:.4f}<extra></extra>\",\"showlegend\":false},{\"type\":\"scatter\",\"name\":\"validation loss\",\"x\":[2.4495,2.4491,2.4467,2.4449,2.4414,2.4409,2.439,2.4385,2.4294,2.4254,2.4147,2.3942,2.3904,2.3418,2.3393,2.2849,2.2627,2.1228,2.0607,1.8538,1.7567,1.653,1.4447,1.4262],\"y\":[0.99713,0.99713,0.99713,0.99712,0.99712,0.99712,0.99712,0.99712,0.99714,0.99716,0.99723,0.99745,0.99751,0.99825,0.99829,0.99933,0.99965,1.002,1.0028,1.0102,1.0138,1.0173,1.03,1.0309],\"mode\":\"lines+markers\",\"line\":{\"color\":\"#3787cc\",\"width\":1},\"marker\":{\"size\":8,\"line\":{\"color\":\"#3787cc\",\"width\":1},\"color\":[-4.0,-3.9717,-3.8195,-3.7273,-3.5659,-3.5447,-3.4713,-3.4545,-3.1818,-3.0892,-2.9091,-2.6709,-2.6364,-2.3636,-2.3506,-2.1435,-2.0909,-1.8182,-1.7751,-1.5455,-1.4363,-1.2727,-1.0126,-1.0],\"colorscale\":[[0.0,\"#46508f\"],[0.35,\"#2d7f92\"],[0.7,\"#3fb477\"],[1.0,\"#e0cf35\"]],\"colorbar\":{\"title\":{\"text\":\"\\u03b1\",\"side\":\"right\"},\"thickness\":9,\"len\":0.9,\"outlinewidth\":0,\"ticks\":\"outside\",\"ticklen\":3,\"tickfont\":{\"size\":11},\"tickprefix\":\"10<sup>\",\"ticksuffix\":\"</sup>\",\"dtick\":1},\"symbol\":\"diamond\",\"showscale\":false},\"hovertemplate\":\"validation loss %{y:.4f}%{text}<br>%{text}<extra></extra>\",\"text\":[\"<br>alpha 0.0001<br>trial 0\",\"<br>alpha 0.000107<br>trial 17\",\"<br>alpha 0.000152<br>trial 14\",\"<br>alpha 0.000187<br>trial 6\",\"<br>alpha 0.000272<br>trial 23\",\"<br>alpha 0.000285<br>trial 22\",\"<br>alpha 0.000338<br>trial 21\",\"<br>alpha 0.000351<br>trial 3\",\"<br>alpha 0.000658<br>trial 9\",\"<br>alpha 0.000814<br>trial 20\",\"<br>alpha 0.00123<br>trial 2\",\"<br>alpha 0.00213<br>trial 19\",\"<br>alpha 0.00231<br>trial 8\",\"<br>alpha 0.00433<br>trial 5\",\"<br>alpha 0.00446<br>trial 15\",\"<br>alpha 0.00719<br>trial 13\",\"<br>alpha 0.00811<br>trial 11\",\"<br>alpha 0.0152<br>trial 1\",\"<br>alpha 0.0168<br>trial 16\",\"<br>alpha 0.0285<br>trial 7\",\"<br>alpha 0.0366<br>trial 12\",\"<br>alpha 0.0534<br>trial 4\",\"<br>alpha 0.0971<br>trial 18\",\"<br>alpha 0.1<br>trial 10\"]},{\"type\":\"scatter\",\"name\":\"validation loss, \\u03b1 = 0\",\"x\":[2."');
INSERT INTO "study_system_attributes" VALUES(16,1,'dashboard:plot_data:sweep-balance:2','"4569],\"y\":[0.99715],\"mode\":\"markers\",\"line\":{\"color\":\"#3787cc\",\"width\":1.75},\"marker\":{\"symbol\":\"diamond-open\",\"size\":13,\"color\":\"#3787cc\",\"line\":{\"width\":2}},\"hovertemplate\":\"validation loss, \\u03b1 = 0<br>%{y:.4f}<extra></extra>\",\"showlegend\":false}],\"layout\":{\"paper_bgcolor\":\"rgba(0,0,0,0)\",\"plot_bgcolor\":\"rgba(0,0,0,0)\",\"font\":{\"family\":\"system-ui, -apple-system, ''Segoe UI'', Roboto, sans-serif\",\"size\":13,\"color\":\"#7d8894\"},\"margin\":{\"l\":56,\"r\":14,\"t\":92,\"b\":48},\"showlegend\":true,\"legend\":{\"orientation\":\"h\",\"x\":0,\"y\":1.02,\"yanchor\":\"bottom\",\"font\":{\"color\":\"#7d8894\"}},\"hovermode\":\"closest\",\"hoverlabel\":{\"font\":{\"family\":\"system-ui, -apple-system, ''Segoe UI'', Roboto, sans-serif\",\"size\":13}},\"modebar\":{\"orientation\":\"h\",\"bgcolor\":\"rgba(0,0,0,0)\",\"color\":\"#87909b\",\"activecolor\":\"#7d8894\",\"remove\":[\"select2d\",\"lasso2d\",\"autoScale2d\",\"zoomIn2d\",\"zoomOut2d\"]},\"dragmode\":false,\"xaxis\":{\"title\":{\"text\":\"norm \\u2016W\\u2016\\u2082\\u00b2 (log scale)\",\"standoff\":10},\"gridcolor\":\"rgba(125,136,148,0.22)\",\"zeroline\":false,\"linecolor\":\"rgba(125,136,148,0.22)\",\"tickcolor\":\"rgba(125,136,148,0.22)\",\"ticks\":\"outside\",\"ticklen\":4,\"automargin\":true,\"type\":\"log\",\"range\":[0.1471,0.39748],\"nticks\":4},\"yaxis\":{\"title\":{\"text\":\"mean loss\",\"standoff\":10},\"gridcolor\":\"rgba(125,136,148,0.22)\",\"zeroline\":false,\"linecolor\":\"rgba(125,136,148,0.22)\",\"tickcolor\":\"rgba(125,136,148,0.22)\",\"ticks\":\"outside\",\"ticklen\":4,\"automargin\":true,\"nticks\":7},\"title\":{\"text\":\"Data loss against the norm\",\"x\":0.01,\"xanchor\":\"left\",\"y\":0.98,\"yanchor\":\"top\"}}}"');
INSERT INTO "study_system_attributes" VALUES(17,1,'dashboard:plot_data:sweep-sparsity:0','"{\"data\":[{\"type\":\"scatter\",\"name\":\"inputs used by a unit\",\"x\":[0.0001,0.00010675,0.00015153,0.00018738,0.00027171,0.0002853,0.0003378,0.00035112,0.00065793,0.00081436,0.0012328,0.0021337,0.0023101,0.0043288,0.0044609,0.0071861,0.0081113,0.015199,0.016785,0.02848,0.036615,0.053367,0.097145,0.1],\"y\":[3.2525,3.2525,3.2525,3.2525,3.2524,3.2524,3.2523,3.2523,3.2521,3.252,3.2522,3.2522,3.2533,3.2505,3.2506,3.2515,3.2443,3.2538,3.2237,3.2105,3.1304,3.1114,3.0815,3.0872],\"mode\":\"lines+markers\",\"line\":{\"color\":\"#3787cc\",\"width\":1.75},\"marker\":{\"color\":\"#3787cc\",\"size\":5},\"hovertemplate\":\"<b>%{x:.3g}</b><br>inputs used by a unit %{y:.3g}%{text}<br>%{text}<extra></extra>\",\"text\":[\"<br>trial 0\",\"<br>trial 17\",\"<br>trial 14\",\"<br>trial 6\",\"<br>trial 23\",\"<br>trial 22\",\"<br>trial 21\",\"<br>trial 3\",\"<br>trial 9\",\"<br>trial 20\",\"<br>trial 2\",\"<br>trial 19\",\"<br>trial 8\",\"<br>trial 5\",\"<br>trial 15\",\"<br>trial 13\",\"<br>trial 11\",\"<br>trial 1\",\"<br>trial 16\",\"<br>trial 7\",\"<br>trial 12\",\"<br>trial 4\",\"<br>trial 18\",\"<br>trial 10\"]},{\"type\":\"scatter\",\"name\":\"\\u03b1 = 0: 3.253\",\"x\":[null],\"y\":[null],\"hoverinfo\":\"skip\",\"mode\":\"lines\",\"line\":{\"color\":\"#87909b\",\"width\":1.5,\"dash\":\"dash\"}}],\"layout\":{\"paper_bgcolor\":\"rgba(0,0,0,0)\",\"plot_bgcolor\":\"rgba(0,0,0,0)\",\"font\":{\"family\":\"system-ui, -apple-system, ''Segoe UI'', Roboto, sans-serif\",\"size\":13,\"color\":\"#7d8894\"},\"margin\":{\"l\":56,\"r\":14,\"t\":92,\"b\":48},\"showlegend\":true,\"legend\":{\"orientation\":\"h\",\"x\":0,\"y\":1.02,\"yanchor\":\"bottom\",\"font\":{\"color\":\"#7d8894\"}},\"hovermode\":\"closest\",\"hoverlabel\":{\"font\":{\"family\":\"system-ui, -apple-system, ''Segoe UI'', Roboto, sans-serif\",\"size\":13}},\"modebar\":{\"orientation\":\"h\",\"bgcolor\":\"rgba(0,0,0,0)\",\"color\":\"#87909b\",\"activecolor\":\"#7d8894\",\"remove\":[\"select2d\",\"lasso2d\",\"autoScale2d\",\"zoomIn2d\",\"zoomOut2d\"]},\"dragmode\":false,\"shapes\":[{\"type\":\"line\",\"y0\":3.2527,\"y1\":3.2527,\"xref\":\"paper\",\"x0\":0,\"x1\":1,\"yref\":\"y\",\"layer\":\"below\",\"line\":{\"color\":\"#87909b\",\"width\":1.5,\"dash\":\"dash\"}},{\"type\":\"rect\",\"x0\":0.0001,\"x1\":0.072002,\"yref\":\"paper\",\"y0\":0,\"y1\""');
INSERT INTO "study_system_attributes" VALUES(18,1,'dashboard:plot_data:sweep-sparsity:1','":0.88,\"xref\":\"x\",\"layer\":\"below\",\"fillcolor\":\"rgba(125,136,148,0.14)\",\"line\":{\"width\":0}},{\"type\":\"line\",\"x0\":0.00035112,\"x1\":0.00035112,\"yref\":\"paper\",\"y0\":0,\"y1\":0.88,\"xref\":\"x\",\"line\":{\"color\":\"#7d8894\",\"width\":1.25,\"dash\":\"solid\"}},{\"type\":\"line\",\"x0\":0.1,\"x1\":0.1,\"yref\":\"paper\",\"y0\":0,\"y1\":0.88,\"xref\":\"x\",\"line\":{\"color\":\"#7d8894\",\"width\":1.25,\"dash\":\"dot\"}}],\"annotations\":[{\"text\":\"<b>best</b> 0.000351\",\"x\":-3.4545,\"xref\":\"x\",\"yref\":\"paper\",\"y\":0.88,\"yanchor\":\"bottom\",\"yshift\":1,\"showarrow\":false,\"xanchor\":\"left\",\"xshift\":-4,\"font\":{\"color\":\"#7d8894\",\"size\":12}},{\"text\":\"<b>1se</b> 0.1\",\"x\":-1.0,\"xref\":\"x\",\"yref\":\"paper\",\"y\":0.88,\"yanchor\":\"bottom\",\"yshift\":16,\"showarrow\":false,\"xanchor\":\"right\",\"xshift\":4,\"font\":{\"color\":\"#7d8894\",\"size\":12}}],\"xaxis\":{\"title\":{\"text\":\"penalty strength \\u03b1 (log scale)\",\"standoff\":10},\"gridcolor\":\"rgba(125,136,148,0.22)\",\"zeroline\":false,\"linecolor\":\"rgba(125,136,148,0.22)\",\"tickcolor\":\"rgba(125,136,148,0.22)\",\"ticks\":\"outside\",\"ticklen\":4,\"automargin\":true,\"type\":\"log\",\"range\":[-4.09,-0.91],\"exponentformat\":\"power\",\"dtick\":1},\"yaxis\":{\"title\":{\"text\":\"inputs per unit\",\"standoff\":10},\"gridcolor\":\"rgba(125,136,148,0.22)\",\"zeroline\":false,\"linecolor\":\"rgba(125,136,148,0.22)\",\"tickcolor\":\"rgba(125,136,148,0.22)\",\"ticks\":\"outside\",\"ticklen\":4,\"automargin\":true,\"rangemode\":\"tozero\",\"domain\":[0,0.88]},\"title\":{\"text\":\"What the penalty does to the weights\",\"x\":0.01,\"xanchor\":\"left\",\"y\":0.98,\"yanchor\":\"top\"}}}"');
INSERT INTO "study_system_attributes" VALUES(19,1,'dashboard:plot_data:sweep-weights:0','"{\"data\":[{\"type\":\"scatter\",\"name\":\"\\u03b1 = 0\",\"x\":[-4.0,-3.8049,-3.6147,-3.4294,-3.2489,-3.0733,-2.9026,-2.7368,-2.5758,-2.4198,-2.2686,-2.1222,-1.9808,-1.8442,-1.7125,-1.5857,-1.4638,-1.3467,-1.2346,-1.1273,-1.0248,-0.9273,-0.83463,-0.74684,-0.66392,-0.58589,-0.51273,-0.44444,-0.38104,-0.32251,-0.26886,-0.22009,-0.17619,-0.13717,-0.10303,-0.073769,-0.049383,-0.015242,0.015242,0.049383,0.073769,0.10303,0.13717,0.17619,0.22009,0.26886,0.32251,0.38104,0.44444,0.51273,0.58589,0.66392,0.74684,0.83463,0.9273,1.0248,1.1273,1.2346,1.3467,1.4638,1.5857,1.7125,1.8442,1.9808,2.1222,2.2686,2.4198,2.5758,2.7368,2.9026,3.0733,3.2489,3.4294,3.6147,3.8049,4.0],\"y\":[0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.65089,0.34869,0.56327,1.017,1.5533,1.7086,0.81362,1.5255,0.69739,0.81362,0.97634,0.34869,1.1716,0.34869,0.48817,2.4408,1.0461,0.61021,0.54241,1.4645,1.3314,1.017,0.56327,0.34869,0.076277,0.15255,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277],\"mode\":\"lines\",\"line\":{\"color\":\"#87909b\",\"width\":1.75,\"shape\":\"hv\"},\"marker\":{\"color\":\"#87909b\",\"size\":5},\"hovertemplate\":\"\\u03b1 = 0<br>weight %{x:.3f}<br>density %{y:.3g}<extra></extra>\"},{\"type\":\"scatter\",\"name\":\"\\u03b1 = 0.000351 (best)\",\"x\":[-4.0,-3.8049,-3.6147,-3.4294,-3.2489,-3.0733,-2.9026,-2.7368,-2.5758,-2.4198,-2.2686,-2.1222,-1.9808,-1.8442,-1.7125,-1.5857,-1.4638,-1.3467,-1.2346,-1.1273,-1.0248,-0.9273,-0.83463,-0.74684,-0.66392,-0.58589,-0.51273,-0.44444,-0.38104,-0.32251,-0.26886,-0.22009,-0.17619,-0.13717,-0.10303,-0.073769,-0.049383,-0.015242,0.015242,0.049383,0.073769,0.10303,0.13717,0.17619,0.22009,0.26886,0.32251,0.38104,0.44444,0.51273,0.58589,0.66392,0.74684,0.83463,0.9273,1.0248,1.1273,1.2346,1.3467,1.46"');
INSERT INTO "study_system_attributes" VALUES(20,1,'dashboard:plot_data:sweep-weights:1','"38,1.5857,1.7125,1.8442,1.9808,2.1222,2.2686,2.4198,2.5758,2.7368,2.9026,3.0733,3.2489,3.4294,3.6147,3.8049,4.0],\"y\":[0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.65089,0.34869,0.56327,1.017,1.5533,1.7086,0.81362,1.5255,0.69739,0.81362,0.97634,0.34869,1.1716,0.34869,0.48817,2.4408,1.0461,0.61021,0.54241,1.4645,1.3314,1.017,0.56327,0.34869,0.076277,0.15255,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277,0.076277],\"mode\":\"lines\",\"line\":{\"color\":\"#3787cc\",\"width\":1.75,\"shape\":\"hv\"},\"marker\":{\"color\":\"#3787cc\",\"size\":5},\"hovertemplate\":\"\\u03b1 = 0.000351 (best)<br>weight %{x:.3f}<br>density %{y:.3g}<extra></extra>\"}],\"layout\":{\"paper_bgcolor\":\"rgba(0,0,0,0)\",\"plot_bgcolor\":\"rgba(0,0,0,0)\",\"font\":{\"family\":\"system-ui, -apple-system, ''Segoe UI'', Roboto, sans-serif\",\"size\":13,\"color\":\"#7d8894\"},\"margin\":{\"l\":56,\"r\":14,\"t\":92,\"b\":48},\"showlegend\":true,\"legend\":{\"orientation\":\"h\",\"x\":0,\"y\":1.02,\"yanchor\":\"bottom\",\"font\":{\"color\":\"#7d8894\"}},\"hovermode\":\"closest\",\"hoverlabel\":{\"font\":{\"family\":\"system-ui, -apple-system, ''Segoe UI'', Roboto, sans-serif\",\"size\":13}},\"modebar\":{\"orientation\":\"h\",\"bgcolor\":\"rgba(0,0,0,0)\",\"color\":\"#87909b\",\"activecolor\":\"#7d8894\",\"remove\":[\"select2d\",\"lasso2d\",\"autoScale2d\",\"zoomIn2d\",\"zoomOut2d\"]},\"dragmode\":false,\"xaxis\":{\"title\":{\"text\":\"weight\",\"standoff\":10},\"gridcolor\":\"rgba(125,136,148,0.22)\",\"zeroline\":false,\"linecolor\":\"rgba(125,136,148,0.22)\",\"tickcolor\":\"rgba(125,136,148,0.22)\",\"ticks\":\"outside\",\"ticklen\":4,\"automargin\":true,\"range\":[-0.66392,0.66392]},\"yaxis\":{\"title\":{\"text\":\"density (log scale)\",\"standoff\":10},\"gridcolor\":\"rgba(125,136,148,0.22)\",\"zeroline\":false,\"linecolor\":\"rgba(125,136,148,0.22)\",\"tickcolor\":\"rgba(125,136,148,0.22)"');
INSERT INTO "study_system_attributes" VALUES(21,1,'dashboard:plot_data:sweep-weights:2','"\",\"ticks\":\"outside\",\"ticklen\":4,\"automargin\":true,\"type\":\"log\",\"exponentformat\":\"power\",\"dtick\":1,\"range\":[-1.1176,0.48754]},\"title\":{\"text\":\"Distribution of the weights\",\"x\":0.01,\"xanchor\":\"left\",\"y\":0.98,\"yanchor\":\"top\"}}}"');
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
INSERT INTO "study_user_attributes" VALUES(2,1,'spec_hash','"790561ba2f111e55"');
INSERT INTO "study_user_attributes" VALUES(3,1,'data_hash','"e18a8eff096815f3"');
INSERT INTO "study_user_attributes" VALUES(4,1,'alpha_max','0.486004500881549');
INSERT INTO "study_user_attributes" VALUES(5,1,'alpha_cap','null');
INSERT INTO "study_user_attributes" VALUES(6,1,'alpha_range','[0.0001, 0.1]');
INSERT INTO "study_user_attributes" VALUES(7,1,'problem','{"n_rows": 60, "n_outputs": 3, "penalised": ["layers.0.weight", "layers.1.weight"], "exempt": ["layers.0.bias", "layers.1.bias"], "model_hash": null, "device": "cpu", "constant": [[1.0986122886681098, 1.0986122886681098, 1.0986122886681098], [1.0986122886681098, 1.0986122886681098, 1.0986122886681098]], "n_val_rows": 120, "refit": {"n_rows": 60, "target_deviation": null, "all_numbers": true, "flat": true}}');
INSERT INTO "study_user_attributes" VALUES(8,1,'remarks','[]');
INSERT INTO "study_user_attributes" VALUES(9,1,'spec','{"study_name": "begun", "seed": 0, "storage": "sqlite:///begun.db", "device": "cpu", "engine": {"kind": "local", "address": "local", "actors": "auto", "cpus": 1.0, "gpus": "auto", "lanes": "auto", "ship": "auto", "start_timeout_s": 120.0, "silence_s": 300.0, "max_lost": 3, "mixed": false}, "data": {"source": "sklearn:iris", "target": null, "groups": null, "columns": null, "task": "classification", "scale": "standard", "train_rows": 60, "label_noise": 0.0, "test_fraction": 0.2}, "model": {"kind": "mlp", "hidden": [4], "activation": "relu"}, "training": {"lr": 0.02, "batch_size": 20, "epochs": 2, "schedule": "constant", "fused": true, "compile": false, "cuda_graph": false, "width": "auto", "workers": 1, "optimizer": "adam", "betas": [0.9, 0.999], "eps": 1e-08}, "penalty": {"norm": "l2", "l1_ratio": null, "exempt": [], "include": []}, "search": {"n_trials": 48, "in_flight": "auto", "timeout_s": null, "widenings": 3, "sampler": {"type": "tpe"}, "pruner": {"type": "none"}, "space": {"alpha": {"low": 0.0001, "high": 0.1}, "weight_decay": null, "lr": null, "momentum": null, "l1_ratio": null}}, "replicates": {"n_folds": 3, "n_repeats": 1, "n_seeds": 1, "holdout": 0.25}, "objective": {"metric": "val_loss"}, "selection": "best"}');
INSERT INTO "study_user_attributes" VALUES(10,1,'run','{"began": "2026-11-29T13:57:55.494488+00:00", "n_results": 0}');
INSERT INTO "study_user_attributes" VALUES(11,1,'width','39');
INSERT INTO "study_user_attributes" VALUES(12,1,'baseline','{"value": 0.9971451361974081, "value_se": 0.05341263351959972, "replicate_values": [0.8912423849105835, 1.0379645824432373, 1.0622284412384033], "train_loss": 0.9999728202819824, "val_accuracy": 0.49166666467984516, "norm": 2.456928825407998, "penalty": 0.0, "sparsity": 0.0, "inputs_used": 3.252650559369608, "weight_counts": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 2, 1, 0, 2, 0, 0, 1, 0, 0, 1, 1, 6, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "outcome": "ok", "params": {"alpha": 0.0}}');
INSERT INTO "study_user_attributes" VALUES(13,1,'verdict','"alpha = 0.000351 is best: validation loss 0.9971 \u00b1 0.0535; alpha = 0 has 0.9971, 2.7e-05 \u00b1 8.5e-05 more on the folds that chose it; a run ends with a test on fresh folds. Any alpha from 0.0001 to 0.072 does as well within the noise of the folds (95 %, paired)."');
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
INSERT INTO "trial_intermediate_values" VALUES(1,1,1,1.04811326662699388911e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,2,1,1.05041593313217163085e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,3,1,1.04818373918533325195e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,4,1,1.04811765750249219486e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,5,1,1.05611002445220947265e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,6,1,1.04883116483688354492e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,7,1,1.04811368385950731685e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,8,1,1.0533066590627033765e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(9,9,1,1.04831628004709886958e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,10,1,1.0481337904930114746e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,11,1,1.06261193752288818359e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(12,12,1,1.04957473278045654296e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,1,2,0.997131367524465,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,2,2,1.00199397404988599369e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(15,3,2,9.97225999832153320312e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,4,2,0.99711807568868,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(17,5,2,1.01729273796081542968e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(18,6,2,9.98254756132761600362e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(19,7,2,9.97123599052429199218e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(20,8,2,1.01019869248072313716e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(21,9,2,9.97510254383087158203e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(22,10,2,0.997143010298411,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(23,11,2,1.03093683719635,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(24,12,2,0.999652087688446,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(25,13,1,1.05451212326685594966e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(26,14,1,1.0494695901870727539e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(27,15,1,1.04811334609985351562e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(28,16,1,1.0488447149594624097e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(29,17,1,1.0508491198221843188e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(30,18,1,1.04811328649520874023e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(31,19,1,1.06202371915181470463e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(32,20,1,1.0482928951581318433e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(33,21,1,1.048145294189453125e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(34,22,1,1.04811726013819384029e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(35,23,1,1.04811567068099975585e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(36,24,1,1.04811525344848632812e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(37,13,2,1.01379605134328198978e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(38,14,2,9.99330222606658935546e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(39,15,2,9.97126340866088867187e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(40,16,2,9.98291889826456668721e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(41,17,2,1.00284131368001294681e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(42,18,2,9.97130632400512695312e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(43,19,2,1.0300037066141765063e+00,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(44,20,2,9.97450153032938602315e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(45,21,2,9.97163693110148074971e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(46,22,2,9.97118155161539676534e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(47,23,2,9.97119069099426269531e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(48,24,2,9.97119466463724735127e-01,'FINITE');
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
INSERT INTO "trial_params" VALUES(1,1,'alpha',0.0001,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(2,2,'alpha',1.51991108295293306934e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(3,3,'alpha',1.23284673944206585316e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(4,4,'alpha',3.5111917342151309539e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(5,5,'alpha',5.33669923120630718127e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(6,6,'alpha',4.32876128108305741754e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(7,7,'alpha',1.87381742286038300042e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(8,8,'alpha',2.84803586843579911724e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(9,9,'alpha',2.31012970008315785333e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(10,10,'alpha',6.57933224657568241702e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(11,11,'alpha',0.1,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(12,12,'alpha',8.11130830789687229387e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(13,13,'alpha',0.0366148144550898,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(14,14,'alpha',7.18608447873880090694e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(15,15,'alpha',1.51526096050593692956e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(16,16,'alpha',4.46090777129524388572e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(17,17,'alpha',1.67848042169729920469e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(18,18,'alpha',1.06745298071297416609e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(19,19,'alpha',9.71449617871809334435e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(20,20,'alpha',2.13371539979311745233e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(21,21,'alpha',8.14363790822450733103e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(22,22,'alpha',3.37798696036652841209e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(23,23,'alpha',2.85302829835607863265e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(24,24,'alpha',2.7170729311312111524e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(25,25,'alpha',4.96333683882968653387e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(26,26,'alpha',1.95354931293252083316e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(27,27,'alpha',1.41766475698977393628e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(28,28,'alpha',4.71810514934259698973e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(29,29,'alpha',1.4252665596262695984e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(30,30,'alpha',8.7554504425846509108e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(31,31,'alpha',1.0006750992652674705e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(32,32,'alpha',0.000209301573941909,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(33,33,'alpha',1.74508360610399590635e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(34,34,'alpha',3.46401536085292238893e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(35,35,'alpha',3.42138633479650215545e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(36,36,'alpha',1.57004325468483325184e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'fixed_params','{"alpha": 0.0001}');
INSERT INTO "trial_system_attributes" VALUES(2,2,'fixed_params','{"alpha": 0.01519911082952933}');
INSERT INTO "trial_system_attributes" VALUES(3,3,'fixed_params','{"alpha": 0.0012328467394420659}');
INSERT INTO "trial_system_attributes" VALUES(4,4,'fixed_params','{"alpha": 0.0003511191734215131}');
INSERT INTO "trial_system_attributes" VALUES(5,5,'fixed_params','{"alpha": 0.05336699231206307}');
INSERT INTO "trial_system_attributes" VALUES(6,6,'fixed_params','{"alpha": 0.004328761281083057}');
INSERT INTO "trial_system_attributes" VALUES(7,7,'fixed_params','{"alpha": 0.0001873817422860383}');
INSERT INTO "trial_system_attributes" VALUES(8,8,'fixed_params','{"alpha": 0.02848035868435799}');
INSERT INTO "trial_system_attributes" VALUES(9,9,'fixed_params','{"alpha": 0.002310129700083158}');
INSERT INTO "trial_system_attributes" VALUES(10,10,'fixed_params','{"alpha": 0.0006579332246575682}');
INSERT INTO "trial_system_attributes" VALUES(11,11,'fixed_params','{"alpha": 0.1}');
INSERT INTO "trial_system_attributes" VALUES(12,12,'fixed_params','{"alpha": 0.008111308307896872}');
INSERT INTO "trial_system_attributes" VALUES(13,22,'tpe:relative_params:0','"{\"alpha\": 0.00033779869603665284}"');
INSERT INTO "trial_system_attributes" VALUES(14,23,'tpe:relative_params:0','"{\"alpha\": 0.00028530282983560786}"');
INSERT INTO "trial_system_attributes" VALUES(15,24,'tpe:relative_params:0','"{\"alpha\": 0.0002717072931131211}"');
INSERT INTO "trial_system_attributes" VALUES(16,25,'tpe:relative_params:0','"{\"alpha\": 0.0004963336838829687}"');
INSERT INTO "trial_system_attributes" VALUES(17,26,'tpe:relative_params:0','"{\"alpha\": 0.00019535493129325208}"');
INSERT INTO "trial_system_attributes" VALUES(18,27,'tpe:relative_params:0','"{\"alpha\": 0.001417664756989774}"');
INSERT INTO "trial_system_attributes" VALUES(19,28,'tpe:relative_params:0','"{\"alpha\": 0.0004718105149342597}"');
INSERT INTO "trial_system_attributes" VALUES(20,29,'tpe:relative_params:0','"{\"alpha\": 0.00014252665596262696}"');
INSERT INTO "trial_system_attributes" VALUES(21,30,'tpe:relative_params:0','"{\"alpha\": 0.0008755450442584651}"');
INSERT INTO "trial_system_attributes" VALUES(22,31,'tpe:relative_params:0','"{\"alpha\": 0.00010006750992652675}"');
INSERT INTO "trial_system_attributes" VALUES(23,32,'tpe:relative_params:0','"{\"alpha\": 0.000209301573941909}"');
INSERT INTO "trial_system_attributes" VALUES(24,33,'tpe:relative_params:0','"{\"alpha\": 0.0001745083606103996}"');
INSERT INTO "trial_system_attributes" VALUES(25,34,'tpe:relative_params:0','"{\"alpha\": 0.00034640153608529224}"');
INSERT INTO "trial_system_attributes" VALUES(26,35,'tpe:relative_params:0','"{\"alpha\": 0.0003421386334796502}"');
INSERT INTO "trial_system_attributes" VALUES(27,36,'tpe:relative_params:0','"{\"alpha\": 0.0015700432546848333}"');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'value_se','0.053441424702713444');
INSERT INTO "trial_user_attributes" VALUES(2,1,'replicate_values','[0.8911692500114441, 1.0379889011383057, 1.062235951423645]');
INSERT INTO "trial_user_attributes" VALUES(3,1,'train_loss','0.9999809861183167');
INSERT INTO "trial_user_attributes" VALUES(4,1,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(5,1,'norm','2.4495494476352415');
INSERT INTO "trial_user_attributes" VALUES(6,1,'penalty','0.00024495494476352417');
INSERT INTO "trial_user_attributes" VALUES(7,1,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(8,1,'inputs_used','3.2525446882283133');
INSERT INTO "trial_user_attributes" VALUES(9,1,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 2, 1, 0, 2, 0, 0, 1, 0, 0, 1, 1, 6, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(10,1,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(11,2,'value_se','0.0526618158473315');
INSERT INTO "trial_user_attributes" VALUES(12,2,'replicate_values','[0.8974218368530273, 1.0434033870697021, 1.0651566982269287]');
INSERT INTO "trial_user_attributes" VALUES(13,2,'train_loss','1.0043041706085205');
INSERT INTO "trial_user_attributes" VALUES(14,2,'val_accuracy','0.4583333333333333');
INSERT INTO "trial_user_attributes" VALUES(15,2,'norm','2.1227820154386055');
INSERT INTO "trial_user_attributes" VALUES(16,2,'penalty','0.03226439911958301');
INSERT INTO "trial_user_attributes" VALUES(17,2,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(18,2,'inputs_used','3.253834026642226');
INSERT INTO "trial_user_attributes" VALUES(19,2,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 3, 4, 5, 8, 4, 5, 3, 1, 2, 0, 2, 1, 1, 0, 1, 1, 0, 1, 4, 4, 3, 5, 2, 5, 6, 3, 3, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(20,2,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(21,3,'value_se','0.053506451260696745');
INSERT INTO "trial_user_attributes" VALUES(22,3,'replicate_values','[0.8911217451095581, 1.0382267236709595, 1.0623295307159424]');
INSERT INTO "trial_user_attributes" VALUES(23,3,'train_loss','1.0002214511235554');
INSERT INTO "trial_user_attributes" VALUES(24,3,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(25,3,'norm','2.4146964441383965');
INSERT INTO "trial_user_attributes" VALUES(26,3,'penalty','0.0029769506378983725');
INSERT INTO "trial_user_attributes" VALUES(27,3,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(28,3,'inputs_used','3.252193283652978');
INSERT INTO "trial_user_attributes" VALUES(29,3,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 1, 0, 2, 2, 0, 0, 1, 0, 0, 1, 2, 5, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(30,3,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(31,4,'value_se','0.05349298249873252');
INSERT INTO "trial_user_attributes" VALUES(32,4,'replicate_values','[0.891048789024353, 1.0380499362945557, 1.0622555017471313]');
INSERT INTO "trial_user_attributes" VALUES(33,4,'train_loss','1.0000135103861492');
INSERT INTO "trial_user_attributes" VALUES(34,4,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(35,4,'norm','2.4385076395096306');
INSERT INTO "trial_user_attributes" VALUES(36,4,'penalty','0.0008562067867666666');
INSERT INTO "trial_user_attributes" VALUES(37,4,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(38,4,'inputs_used','3.252299924617487');
INSERT INTO "trial_user_attributes" VALUES(39,4,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 2, 1, 0, 2, 0, 0, 1, 0, 0, 1, 1, 6, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(40,4,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(41,5,'value_se','0.05872542666422903');
INSERT INTO "trial_user_attributes" VALUES(42,5,'replicate_values','[0.9015450477600098, 1.0579073429107666, 1.09242582321167]');
INSERT INTO "trial_user_attributes" VALUES(43,5,'train_loss','1.0188663601875305');
INSERT INTO "trial_user_attributes" VALUES(44,5,'val_accuracy','0.4583333333333333');
INSERT INTO "trial_user_attributes" VALUES(45,5,'norm','1.6530178165602567');
INSERT INTO "trial_user_attributes" VALUES(46,5,'penalty','0.0882165891080745');
INSERT INTO "trial_user_attributes" VALUES(47,5,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(48,5,'inputs_used','3.111411733680923');
INSERT INTO "trial_user_attributes" VALUES(49,5,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 1, 5, 4, 9, 5, 4, 5, 1, 2, 1, 1, 1, 0, 0, 1, 2, 1, 5, 1, 7, 5, 2, 1, 5, 7, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(50,5,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(51,6,'value_se','0.05312282796651072');
INSERT INTO "trial_user_attributes" VALUES(52,6,'replicate_values','[0.8928744196891785, 1.0392255783081055, 1.062664270401001]');
INSERT INTO "trial_user_attributes" VALUES(53,6,'train_loss','1.0001442631085713');
INSERT INTO "trial_user_attributes" VALUES(54,6,'val_accuracy','0.46666666865348816');
INSERT INTO "trial_user_attributes" VALUES(55,6,'norm','2.341826792051873');
INSERT INTO "trial_user_attributes" VALUES(56,6,'penalty','0.010137209144437094');
INSERT INTO "trial_user_attributes" VALUES(57,6,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(58,6,'inputs_used','3.250496866592975');
INSERT INTO "trial_user_attributes" VALUES(59,6,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 4, 7, 8, 3, 4, 3, 0, 3, 0, 1, 2, 0, 0, 2, 0, 0, 1, 3, 4, 4, 1, 2, 8, 4, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(60,6,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(61,7,'value_se','0.05346245875810754');
INSERT INTO "trial_user_attributes" VALUES(62,7,'replicate_values','[0.8911179304122925, 1.0380102396011353, 1.0622426271438599]');
INSERT INTO "trial_user_attributes" VALUES(63,7,'train_loss','0.9999906420707703');
INSERT INTO "trial_user_attributes" VALUES(64,7,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(65,7,'norm','2.4449327569859203');
INSERT INTO "trial_user_attributes" VALUES(66,7,'penalty','0.00045813575977622883');
INSERT INTO "trial_user_attributes" VALUES(67,7,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(68,7,'inputs_used','3.252455368981952');
INSERT INTO "trial_user_attributes" VALUES(69,7,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 2, 1, 0, 2, 0, 0, 1, 0, 0, 1, 1, 6, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(70,7,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(71,8,'value_se','0.056160484362304385');
INSERT INTO "trial_user_attributes" VALUES(72,8,'replicate_values','[0.8989904522895813, 1.0521446466445923, 1.0794609785079956]');
INSERT INTO "trial_user_attributes" VALUES(73,8,'train_loss','1.0127018491427104');
INSERT INTO "trial_user_attributes" VALUES(74,8,'val_accuracy','0.4583333333333333');
INSERT INTO "trial_user_attributes" VALUES(75,8,'norm','1.8537735478064041');
INSERT INTO "trial_user_attributes" VALUES(76,8,'penalty','0.05279613556110124');
INSERT INTO "trial_user_attributes" VALUES(77,8,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(78,8,'inputs_used','3.210505296257855');
INSERT INTO "trial_user_attributes" VALUES(79,8,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 5, 5, 8, 5, 5, 3, 1, 2, 0, 1, 1, 0, 0, 2, 1, 1, 3, 3, 5, 5, 2, 3, 5, 4, 6, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(80,8,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(81,9,'value_se','0.05339980206941482');
INSERT INTO "trial_user_attributes" VALUES(82,9,'replicate_values','[0.8916090130805969, 1.038489580154419, 1.0624321699142456]');
INSERT INTO "trial_user_attributes" VALUES(83,9,'train_loss','1.0005536476771038');
INSERT INTO "trial_user_attributes" VALUES(84,9,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(85,9,'norm','2.390431953844096');
INSERT INTO "trial_user_attributes" VALUES(86,9,'penalty','0.005522207852603059');
INSERT INTO "trial_user_attributes" VALUES(87,9,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(88,9,'inputs_used','3.2532522545142863');
INSERT INTO "trial_user_attributes" VALUES(89,9,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 4, 8, 7, 3, 5, 2, 2, 1, 0, 1, 3, 0, 0, 1, 0, 0, 1, 2, 5, 4, 1, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(90,9,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(91,10,'value_se','0.05351555156114705');
INSERT INTO "trial_user_attributes" VALUES(92,10,'replicate_values','[0.8910244107246399, 1.038124442100525, 1.0622801780700684]');
INSERT INTO "trial_user_attributes" VALUES(93,10,'train_loss','1.0000708103179932');
INSERT INTO "trial_user_attributes" VALUES(94,10,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(95,10,'norm','2.429429611728613');
INSERT INTO "trial_user_attributes" VALUES(96,10,'penalty','0.0015984024585231902');
INSERT INTO "trial_user_attributes" VALUES(97,10,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(98,10,'inputs_used','3.2520600773806243');
INSERT INTO "trial_user_attributes" VALUES(99,10,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 1, 2, 0, 2, 0, 0, 1, 0, 0, 1, 2, 5, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(100,10,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(101,11,'value_se','0.05459060675917813');
INSERT INTO "trial_user_attributes" VALUES(102,11,'replicate_values','[0.9230690002441406, 1.0702488422393799, 1.0994926691055298]');
INSERT INTO "trial_user_attributes" VALUES(103,11,'train_loss','1.0318217277526855');
INSERT INTO "trial_user_attributes" VALUES(104,11,'val_accuracy','0.4416666527589162');
INSERT INTO "trial_user_attributes" VALUES(105,11,'norm','1.426211214028033');
INSERT INTO "trial_user_attributes" VALUES(106,11,'penalty','0.1426211214028033');
INSERT INTO "trial_user_attributes" VALUES(107,11,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(108,11,'inputs_used','3.087194261045228');
INSERT INTO "trial_user_attributes" VALUES(109,11,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 7, 4, 7, 6, 4, 6, 1, 2, 1, 1, 1, 0, 0, 1, 1, 3, 4, 3, 6, 5, 2, 1, 7, 4, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(110,11,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(111,12,'value_se','0.052486572853856474');
INSERT INTO "trial_user_attributes" VALUES(112,12,'replicate_values','[0.8955289721488953, 1.0401679277420044, 1.0632593631744385]');
INSERT INTO "trial_user_attributes" VALUES(113,12,'train_loss','1.001649300257365');
INSERT INTO "trial_user_attributes" VALUES(114,12,'val_accuracy','0.46666666865348816');
INSERT INTO "trial_user_attributes" VALUES(115,12,'norm','2.262654934765085');
INSERT INTO "trial_user_attributes" VALUES(116,12,'penalty','0.01835309177026389');
INSERT INTO "trial_user_attributes" VALUES(117,12,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(118,12,'inputs_used','3.2442993109847187');
INSERT INTO "trial_user_attributes" VALUES(119,12,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 4, 4, 6, 8, 3, 5, 3, 0, 2, 1, 1, 2, 0, 0, 1, 1, 0, 1, 3, 4, 4, 2, 3, 7, 3, 6, 2, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(120,12,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(121,13,'value_se','0.057955527686893854');
INSERT INTO "trial_user_attributes" VALUES(122,13,'replicate_values','[0.8995746374130249, 1.053829550743103, 1.0879839658737183]');
INSERT INTO "trial_user_attributes" VALUES(123,13,'train_loss','1.0156046350797017');
INSERT INTO "trial_user_attributes" VALUES(124,13,'val_accuracy','0.4583333333333333');
INSERT INTO "trial_user_attributes" VALUES(125,13,'norm','1.7567464413041147');
INSERT INTO "trial_user_attributes" VALUES(126,13,'penalty','0.06432294499298946');
INSERT INTO "trial_user_attributes" VALUES(127,13,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(128,13,'inputs_used','3.1304135517607983');
INSERT INTO "trial_user_attributes" VALUES(129,13,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 1, 6, 4, 8, 6, 4, 4, 1, 2, 0, 1, 1, 0, 0, 1, 2, 2, 4, 1, 7, 5, 3, 1, 4, 6, 4, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(130,13,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(131,14,'value_se','0.05255970359369326');
INSERT INTO "trial_user_attributes" VALUES(132,14,'replicate_values','[0.8950726389884949, 1.039825677871704, 1.0630923509597778]');
INSERT INTO "trial_user_attributes" VALUES(133,14,'train_loss','1.0010092655817668');
INSERT INTO "trial_user_attributes" VALUES(134,14,'val_accuracy','0.46666666865348816');
INSERT INTO "trial_user_attributes" VALUES(135,14,'norm','2.2848734129353137');
INSERT INTO "trial_user_attributes" VALUES(136,14,'penalty','0.01641929336857741');
INSERT INTO "trial_user_attributes" VALUES(137,14,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(138,14,'inputs_used','3.2515456660162703');
INSERT INTO "trial_user_attributes" VALUES(139,14,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 4, 7, 8, 2, 5, 3, 0, 3, 0, 1, 2, 0, 0, 1, 1, 0, 1, 3, 4, 4, 1, 3, 8, 3, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(140,14,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(141,15,'value_se','0.05345423828695452');
INSERT INTO "trial_user_attributes" VALUES(142,15,'replicate_values','[0.8911377191543579, 1.0380014181137085, 1.0622398853302002]');
INSERT INTO "trial_user_attributes" VALUES(143,15,'train_loss','0.9999864101409912');
INSERT INTO "trial_user_attributes" VALUES(144,15,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(145,15,'norm','2.4466806978560416');
INSERT INTO "trial_user_attributes" VALUES(146,15,'penalty','0.00037073597442846817');
INSERT INTO "trial_user_attributes" VALUES(147,15,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(148,15,'inputs_used','3.2524915757098096');
INSERT INTO "trial_user_attributes" VALUES(149,15,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 2, 1, 0, 2, 0, 0, 1, 0, 0, 1, 1, 6, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(150,15,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(151,16,'value_se','0.05311127955884306');
INSERT INTO "trial_user_attributes" VALUES(152,16,'replicate_values','[0.8929334878921509, 1.0392608642578125, 1.0626813173294067]');
INSERT INTO "trial_user_attributes" VALUES(153,16,'train_loss','1.0001865029335022');
INSERT INTO "trial_user_attributes" VALUES(154,16,'val_accuracy','0.46666666865348816');
INSERT INTO "trial_user_attributes" VALUES(155,16,'norm','2.339317211718272');
INSERT INTO "trial_user_attributes" VALUES(156,16,'penalty','0.010435478329278762');
INSERT INTO "trial_user_attributes" VALUES(157,16,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(158,16,'inputs_used','3.250643916006575');
INSERT INTO "trial_user_attributes" VALUES(159,16,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 4, 7, 8, 3, 4, 3, 0, 3, 0, 1, 2, 0, 0, 2, 0, 0, 1, 3, 4, 4, 1, 2, 9, 3, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(160,16,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(161,17,'value_se','0.05277965091863994');
INSERT INTO "trial_user_attributes" VALUES(162,17,'replicate_values','[0.8979817628860474, 1.0447624921798706, 1.065779685974121]');
INSERT INTO "trial_user_attributes" VALUES(163,17,'train_loss','1.00540558497111');
INSERT INTO "trial_user_attributes" VALUES(164,17,'val_accuracy','0.4583333333333333');
INSERT INTO "trial_user_attributes" VALUES(165,17,'norm','2.0606640304498263');
INSERT INTO "trial_user_attributes" VALUES(166,17,'penalty','0.03458784230805881');
INSERT INTO "trial_user_attributes" VALUES(167,17,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(168,17,'inputs_used','3.223700042983404');
INSERT INTO "trial_user_attributes" VALUES(169,17,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 2, 2, 4, 5, 9, 4, 4, 4, 1, 2, 0, 1, 1, 1, 0, 1, 2, 0, 1, 4, 5, 4, 4, 1, 5, 6, 5, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(170,17,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(171,18,'value_se','0.05344323566432847');
INSERT INTO "trial_user_attributes" VALUES(172,18,'replicate_values','[0.8911647796630859, 1.0379905700683594, 1.0622365474700928]');
INSERT INTO "trial_user_attributes" VALUES(173,18,'train_loss','0.9999817808469137');
INSERT INTO "trial_user_attributes" VALUES(174,18,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(175,18,'norm','2.449145390541176');
INSERT INTO "trial_user_attributes" VALUES(176,18,'penalty','0.00026143475473326195');
INSERT INTO "trial_user_attributes" VALUES(177,18,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(178,18,'inputs_used','3.2525376441975093');
INSERT INTO "trial_user_attributes" VALUES(179,18,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 2, 1, 0, 2, 0, 0, 1, 0, 0, 1, 1, 6, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(180,18,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(181,19,'value_se','0.054678990640557125');
INSERT INTO "trial_user_attributes" VALUES(182,19,'replicate_values','[0.9220447540283203, 1.068882703781128, 1.099083662033081]');
INSERT INTO "trial_user_attributes" VALUES(183,19,'train_loss','1.0310776829719543');
INSERT INTO "trial_user_attributes" VALUES(184,19,'val_accuracy','0.4416666527589162');
INSERT INTO "trial_user_attributes" VALUES(185,19,'norm','1.4447077631606653');
INSERT INTO "trial_user_attributes" VALUES(186,19,'penalty','0.14034608044588648');
INSERT INTO "trial_user_attributes" VALUES(187,19,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(188,19,'inputs_used','3.081488394726534');
INSERT INTO "trial_user_attributes" VALUES(189,19,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 6, 4, 7, 6, 4, 6, 1, 2, 1, 1, 1, 0, 0, 1, 1, 3, 4, 3, 6, 5, 2, 1, 7, 4, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(190,19,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(191,20,'value_se','0.053430199576622185');
INSERT INTO "trial_user_attributes" VALUES(192,20,'replicate_values','[0.8914895057678223, 1.0384465456008911, 1.0624144077301025]');
INSERT INTO "trial_user_attributes" VALUES(193,20,'train_loss','1.0005112091700237');
INSERT INTO "trial_user_attributes" VALUES(194,20,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(195,20,'norm','2.3942124510642597');
INSERT INTO "trial_user_attributes" VALUES(196,20,'penalty','0.005108567977212237');
INSERT INTO "trial_user_attributes" VALUES(197,20,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(198,20,'inputs_used','3.252179362123608');
INSERT INTO "trial_user_attributes" VALUES(199,20,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 4, 8, 7, 3, 5, 2, 2, 1, 0, 1, 3, 0, 0, 1, 0, 0, 1, 2, 5, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(200,20,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(201,21,'value_se','0.05351939729593071');
INSERT INTO "trial_user_attributes" VALUES(202,21,'replicate_values','[0.8910354375839233, 1.0381624698638916, 1.0622931718826294]');
INSERT INTO "trial_user_attributes" VALUES(203,21,'train_loss','1.0001060565312703');
INSERT INTO "trial_user_attributes" VALUES(204,21,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(205,21,'norm','2.4253717348977193');
INSERT INTO "trial_user_attributes" VALUES(206,21,'penalty','0.0019751349201849308');
INSERT INTO "trial_user_attributes" VALUES(207,21,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(208,21,'inputs_used','3.251964869366017');
INSERT INTO "trial_user_attributes" VALUES(209,21,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 1, 1, 1, 2, 0, 0, 1, 0, 0, 1, 2, 5, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(210,21,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(211,22,'value_se','0.05349085724591465');
INSERT INTO "trial_user_attributes" VALUES(212,22,'replicate_values','[0.891053318977356, 1.0380467176437378, 1.0622544288635254]');
INSERT INTO "trial_user_attributes" VALUES(213,22,'train_loss','1.0000114838282268');
INSERT INTO "trial_user_attributes" VALUES(214,22,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(215,22,'norm','2.4389655039382343');
INSERT INTO "trial_user_attributes" VALUES(216,22,'penalty','0.0008238793669087134');
INSERT INTO "trial_user_attributes" VALUES(217,22,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(218,22,'inputs_used','3.2523118801640827');
INSERT INTO "trial_user_attributes" VALUES(219,22,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 2, 1, 0, 2, 0, 0, 1, 0, 0, 1, 1, 6, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(220,22,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(221,23,'value_se','0.05348194723289506');
INSERT INTO "trial_user_attributes" VALUES(222,23,'replicate_values','[0.8910728693008423, 1.0380339622497559, 1.0622503757476807]');
INSERT INTO "trial_user_attributes" VALUES(223,23,'train_loss','1.0000035762786865');
INSERT INTO "trial_user_attributes" VALUES(224,23,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(225,23,'norm','2.4408602204104377');
INSERT INTO "trial_user_attributes" VALUES(226,23,'penalty','0.0006963843281162634');
INSERT INTO "trial_user_attributes" VALUES(227,23,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(228,23,'inputs_used','3.2523602634984727');
INSERT INTO "trial_user_attributes" VALUES(229,23,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 2, 1, 0, 2, 0, 0, 1, 0, 0, 1, 1, 6, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(230,23,'outcome','"ok"');
INSERT INTO "trial_user_attributes" VALUES(231,24,'value_se','0.053479506894748584');
INSERT INTO "trial_user_attributes" VALUES(232,24,'replicate_values','[0.8910783529281616, 1.038030743598938, 1.0622493028640747]');
INSERT INTO "trial_user_attributes" VALUES(233,24,'train_loss','1.0000016490618389');
INSERT INTO "trial_user_attributes" VALUES(234,24,'val_accuracy','0.49166666467984516');
INSERT INTO "trial_user_attributes" VALUES(235,24,'norm','2.441378244671429');
INSERT INTO "trial_user_attributes" VALUES(236,24,'penalty','0.0006633402743249371');
INSERT INTO "trial_user_attributes" VALUES(237,24,'sparsity','0.0');
INSERT INTO "trial_user_attributes" VALUES(238,24,'inputs_used','3.2523731121022217');
INSERT INTO "trial_user_attributes" VALUES(239,24,'weight_counts','[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 3, 5, 7, 7, 3, 5, 2, 2, 2, 1, 0, 2, 0, 0, 1, 0, 0, 1, 1, 6, 3, 2, 2, 6, 6, 5, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]');
INSERT INTO "trial_user_attributes" VALUES(240,24,'outcome','"ok"');
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
INSERT INTO "trial_values" VALUES(1,1,0,0.997131367524465,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,1.00199397404988599369e+00,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,9.97225999832153320312e-01,'FINITE');
INSERT INTO "trial_values" VALUES(4,4,0,0.99711807568868,'FINITE');
INSERT INTO "trial_values" VALUES(5,5,0,1.01729273796081542968e+00,'FINITE');
INSERT INTO "trial_values" VALUES(6,6,0,9.98254756132761600362e-01,'FINITE');
INSERT INTO "trial_values" VALUES(7,7,0,9.97123599052429199218e-01,'FINITE');
INSERT INTO "trial_values" VALUES(8,8,0,1.01019869248072313716e+00,'FINITE');
INSERT INTO "trial_values" VALUES(9,9,0,9.97510254383087158203e-01,'FINITE');
INSERT INTO "trial_values" VALUES(10,10,0,0.997143010298411,'FINITE');
INSERT INTO "trial_values" VALUES(11,11,0,1.03093683719635,'FINITE');
INSERT INTO "trial_values" VALUES(12,12,0,0.999652087688446,'FINITE');
INSERT INTO "trial_values" VALUES(13,13,0,1.01379605134328198978e+00,'FINITE');
INSERT INTO "trial_values" VALUES(14,14,0,9.99330222606658935546e-01,'FINITE');
INSERT INTO "trial_values" VALUES(15,15,0,9.97126340866088867187e-01,'FINITE');
INSERT INTO "trial_values" VALUES(16,16,0,9.98291889826456668721e-01,'FINITE');
INSERT INTO "trial_values" VALUES(17,17,0,1.00284131368001294681e+00,'FINITE');
INSERT INTO "trial_values" VALUES(18,18,0,9.97130632400512695312e-01,'FINITE');
INSERT INTO "trial_values" VALUES(19,19,0,1.0300037066141765063e+00,'FINITE');
INSERT INTO "trial_values" VALUES(20,20,0,9.97450153032938602315e-01,'FINITE');
INSERT INTO "trial_values" VALUES(21,21,0,9.97163693110148074971e-01,'FINITE');
INSERT INTO "trial_values" VALUES(22,22,0,9.97118155161539676534e-01,'FINITE');
INSERT INTO "trial_values" VALUES(23,23,0,9.97119069099426269531e-01,'FINITE');
INSERT INTO "trial_values" VALUES(24,24,0,9.97119466463724735127e-01,'FINITE');
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
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-29 13:57:55.519834','2026-11-29 13:57:55.567641');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-29 13:57:55.520364','2026-11-29 13:57:55.568099');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-29 13:57:55.520694','2026-11-29 13:57:55.568481');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-29 13:57:55.520962','2026-11-29 13:57:55.568838');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-11-29 13:57:55.525391','2026-11-29 13:57:55.569187');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-29 13:57:55.526164','2026-11-29 13:57:55.578026');
INSERT INTO "trials" VALUES(7,6,1,'COMPLETE','2026-11-29 13:57:55.526563','2026-11-29 13:57:55.578458');
INSERT INTO "trials" VALUES(8,7,1,'COMPLETE','2026-11-29 13:57:55.526848','2026-11-29 13:57:55.578831');
INSERT INTO "trials" VALUES(9,8,1,'COMPLETE','2026-11-29 13:57:55.527109','2026-11-29 13:57:55.579198');
INSERT INTO "trials" VALUES(10,9,1,'COMPLETE','2026-11-29 13:57:55.527327','2026-11-29 13:57:55.579549');
INSERT INTO "trials" VALUES(11,10,1,'COMPLETE','2026-11-29 13:57:55.527549','2026-11-29 13:57:55.579891');
INSERT INTO "trials" VALUES(12,11,1,'COMPLETE','2026-11-29 13:57:55.527779','2026-11-29 13:57:55.580348');
INSERT INTO "trials" VALUES(13,12,1,'COMPLETE','2026-11-29 13:57:55.580691','2026-11-29 13:57:55.663662');
INSERT INTO "trials" VALUES(14,13,1,'COMPLETE','2026-11-29 13:57:55.585570','2026-11-29 13:57:55.664101');
INSERT INTO "trials" VALUES(15,14,1,'COMPLETE','2026-11-29 13:57:55.586103','2026-11-29 13:57:55.664472');
INSERT INTO "trials" VALUES(16,15,1,'COMPLETE','2026-11-29 13:57:55.586500','2026-11-29 13:57:55.664818');
INSERT INTO "trials" VALUES(17,16,1,'COMPLETE','2026-11-29 13:57:55.586886','2026-11-29 13:57:55.665159');
INSERT INTO "trials" VALUES(18,17,1,'COMPLETE','2026-11-29 13:57:55.587266','2026-11-29 13:57:55.665629');
INSERT INTO "trials" VALUES(19,18,1,'COMPLETE','2026-11-29 13:57:55.587634','2026-11-29 13:57:55.665972');
INSERT INTO "trials" VALUES(20,19,1,'COMPLETE','2026-11-29 13:57:55.588050','2026-11-29 13:57:55.666303');
INSERT INTO "trials" VALUES(21,20,1,'COMPLETE','2026-11-29 13:57:55.588509','2026-11-29 13:57:55.666636');
INSERT INTO "trials" VALUES(22,21,1,'COMPLETE','2026-11-29 13:57:55.588877','2026-11-29 13:57:55.666966');
INSERT INTO "trials" VALUES(23,22,1,'COMPLETE','2026-11-29 13:57:55.600582','2026-11-29 13:57:55.667294');
INSERT INTO "trials" VALUES(24,23,1,'COMPLETE','2026-11-29 13:57:55.607792','2026-11-29 13:57:55.667625');
INSERT INTO "trials" VALUES(25,24,1,'WAITING','2026-11-29 13:57:55.667956',NULL);
INSERT INTO "trials" VALUES(26,25,1,'WAITING','2026-11-29 13:57:55.673741',NULL);
INSERT INTO "trials" VALUES(27,26,1,'WAITING','2026-11-29 13:57:55.675308',NULL);
INSERT INTO "trials" VALUES(28,27,1,'WAITING','2026-11-29 13:57:55.676785',NULL);
INSERT INTO "trials" VALUES(29,28,1,'WAITING','2026-11-29 13:57:55.682503',NULL);
INSERT INTO "trials" VALUES(30,29,1,'WAITING','2026-11-29 13:57:55.683985',NULL);
INSERT INTO "trials" VALUES(31,30,1,'WAITING','2026-11-29 13:57:55.689945',NULL);
INSERT INTO "trials" VALUES(32,31,1,'WAITING','2026-11-29 13:57:55.691639',NULL);
INSERT INTO "trials" VALUES(33,32,1,'WAITING','2026-11-29 13:57:55.692884',NULL);
INSERT INTO "trials" VALUES(34,33,1,'WAITING','2026-11-29 13:57:55.709453',NULL);
INSERT INTO "trials" VALUES(35,34,1,'WAITING','2026-11-29 13:57:55.711137',NULL);
INSERT INTO "trials" VALUES(36,35,1,'WAITING','2026-11-29 13:57:55.714411',NULL);
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
