-- One database for each project of serve.yaml; that of the service itself is made by the image.
CREATE DATABASE sweep_default OWNER sweep;
