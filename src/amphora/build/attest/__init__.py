"""What a build says about what it made: provenance and SBOM, as in-toto attestations."""
