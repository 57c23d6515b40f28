SELECT plan FROM plans WHERE structure = :structure
