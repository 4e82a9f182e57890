"""Records of the field and the marshmallow schemas that judge them at every boundary. Imports nothing of ours."""
