"""Images as the OCI image specification defines them: model, content store, layers."""
